// decode reads configurations of Envoy, Istio and the Prometheus operator (YAML documents on standard input) with the
// types that those programs read them with, and fails if one has a field that they do not know, or a value that they do
// not allow. A document without a kind is Envoy's.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	istio "istio.io/api/security/v1beta1"
	"sigs.k8s.io/yaml"
)

type resource struct {
	APIVersion, Kind string
	Spec             map[string]interface{}
}

// validated is what Envoy's messages have: rules that stand in their .proto.
type validated interface{ ValidateAll() error }

// validate checks a message, and those that are packed into it.
func validate(message protoreflect.Message) error {
	if checked, ok := message.Interface().(validated); ok {
		if err := checked.ValidateAll(); err != nil {
			return err
		}
	}
	if packed, ok := message.Interface().(*anypb.Any); ok {
		inner, err := packed.UnmarshalNew()
		if err != nil {
			return err
		}
		return validate(inner.ProtoReflect())
	}
	var first error
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		visit := func(value protoreflect.Value) bool {
			first = validate(value.Message())
			return first == nil
		}
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool { return visit(value) })
		case field.IsList() && field.Message() != nil:
			for i := 0; i < value.List().Len() && visit(value.List().Get(i)); i++ {
			}
		case !field.IsMap() && !field.IsList() && field.Message() != nil:
			visit(value)
		}
		return first == nil
	})
	return first
}

func decodeProto(document []byte, target proto.Message) error {
	json, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(json, target); err != nil {
		return err
	}
	return validate(target.ProtoReflect())
}

func decode(document []byte) error {
	var head resource
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	spec, err := yaml.Marshal(head.Spec)
	if err != nil {
		return err
	}
	switch head.APIVersion + " " + head.Kind {
	case " ":
		return decodeProto(document, &bootstrap.Bootstrap{})
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return yaml.UnmarshalStrict(document, &monitoring.ServiceMonitor{})
	case "monitoring.coreos.com/v1 PrometheusRule":
		return yaml.UnmarshalStrict(document, &monitoring.PrometheusRule{})
	case "security.istio.io/v1beta1 RequestAuthentication":
		return decodeProto(spec, &istio.RequestAuthentication{})
	case "security.istio.io/v1beta1 AuthorizationPolicy":
		return decodeProto(spec, &istio.AuthorizationPolicy{})
	}
	return fmt.Errorf("%s %s is not known here", head.APIVersion, head.Kind)
}

func main() {
	documents, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, document := range bytes.Split(documents, []byte("\n---\n")) {
		if err := decode(document); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
