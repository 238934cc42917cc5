#pragma once

namespace watchword {

// The gRPC service config for channels to Watchword's servers: service_config.json, which is installed for clients in
// other languages, too. It spreads calls over all addresses of the name, avoids servers that are about to stop (they
// report it for the health service's empty name), and tries calls again that meet UNAVAILABLE, if doing them twice is
// no different from once. A Login begins a session each time, and a Refresh that is repeated too late ends one: they
// are not among them.
extern const char kServiceConfig[];

}  // namespace watchword
