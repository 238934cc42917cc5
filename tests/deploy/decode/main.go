// decode reads manifests of the Prometheus operator (YAML documents on standard input) with the operator's own types, and
// fails if one has a field that they do not know, or of another type. kubeconform knows no such resources.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func decode(document []byte) error {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	known := map[string]interface{}{"ServiceMonitor": &monitoring.ServiceMonitor{}, "PrometheusRule": &monitoring.PrometheusRule{}}
	target, ok := known[head.Kind]
	if !ok || head.APIVersion != "monitoring.coreos.com/v1" {
		return fmt.Errorf("%s %s is not known here", head.APIVersion, head.Kind)
	}
	if err := yaml.UnmarshalStrict(document, target); err != nil {
		return fmt.Errorf("%s: %w", head.Kind, err)
	}
	return nil
}

func main() {
	manifests, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, document := range bytes.Split(manifests, []byte("\n---\n")) {
		if err := decode(document); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
