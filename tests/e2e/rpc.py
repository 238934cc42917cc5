"""Calls with Python's gRPC, for tests that need many: a process for each call, as grpcurl is, takes too long."""

import functools
import os
import subprocess
import tempfile

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # children only ever exec

import grpc  # noqa: E402
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory  # noqa: E402

from harness import DEADLINE_EXCEEDED, OK, PATIENCE, RESOURCE_EXHAUSTED, ROOT, UNAVAILABLE, until  # noqa: E402

# What an outage may look like to a caller. Anything else would blame the caller for it.
OUTAGE = (UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED)
# Clients are to notice quickly that a server is back.
CHANNEL = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 200),
           ("grpc.max_reconnect_backoff_ms", 200), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]


@functools.cache
def methods():
    """The request and response class of each method, by its full name."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", "--include_imports",
                        f"--descriptor_set_out={out.name}", "watchword/v1/auth.proto", "watchword/v1/admin.proto"],
                       check=True, timeout=PATIENCE)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    found = {}
    for service in (pool.FindServiceByName("watchword.v1." + name) for name in ("AuthService", "AdminService")):
        for method in service.methods:
            found[f"{service.full_name}/{method.name}"] = (factory.GetPrototype(method.input_type),
                                                           factory.GetPrototype(method.output_type))
    return found


class Reply:
    """As harness.Reply, without the details."""

    def __init__(self, code, message, response):
        self.code, self.message, self.response = code, message, response
        self.is_outage = code in OUTAGE

    @property
    def reason(self):
        return self.message.split(":")[0]

    def __repr__(self):
        return f"code {self.code}, {self.message or sorted(self.response)}"


class Rpc:
    """A client of one server, or of several that share the calls. Thread-safe."""

    def __init__(self, *addresses):
        options = CHANNEL + [("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')]
        self._channel = grpc.insecure_channel("ipv4:" + ",".join(addresses), options)

    def close(self):
        self._channel.close()

    def call(self, method, bearer=None, timeout=10, **request):
        request_class, response_class = methods()[method]
        stub = self._channel.unary_unary("/" + method, request_class.SerializeToString, response_class.FromString)
        metadata = [("authorization", f"Bearer {bearer}")] if bearer else []
        try:
            response = stub(json_format.ParseDict(request, request_class()), timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            return Reply(error.code().value[0], error.details() or "", {})
        return Reply(OK, "", json_format.MessageToDict(response, preserving_proto_field_name=True))

    def call_with_retries(self, method, **request):
        """As a client does that has an outage to get over: until the answer is one."""
        replies = []

        def answered():
            replies.append(self.call(method, **request))
            return not replies[-1].is_outage
        until(answered)
        return replies[-1]

    def must(self, method, **request):
        """The response of a call that has no excuse to fail."""
        reply = self.call(method, **request)
        assert reply.code == OK, f"{method}: {reply}"
        return reply.response


class Retrying:
    """A client that tries again when there is an outage."""

    def __init__(self, rpc):
        self._rpc = rpc

    def call(self, method, **request):
        return self._rpc.call_with_retries(method, **request)
