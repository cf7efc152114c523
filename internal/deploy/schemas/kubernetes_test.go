package schemas

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

const kubernetes = "../../../deploy/kubernetes"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A kustomization is the part of kustomization.yaml that the test uses.
type kustomization struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Labels     []struct {
		Pairs            map[string]string `json:"pairs"`
		IncludeSelectors bool              `json:"includeSelectors"`
		IncludeTemplates bool              `json:"includeTemplates"`
	} `json:"labels"`
	Resources          []string `json:"resources"`
	ConfigMapGenerator []struct {
		Name    string   `json:"name"`
		Files   []string `json:"files"`
		Options struct {
			DisableNameSuffixHash bool `json:"disableNameSuffixHash"`
		} `json:"options"`
	} `json:"configMapGenerator"`
	Images []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
}

// manifests returns the objects of all files in kustomization.yaml, by kind and
// name.
func manifests(t *testing.T) (kustomization, map[string]any) {
	t.Helper()
	var k kustomization
	strictly(t, "kustomization.yaml", []byte(read(t, filepath.Join(kubernetes, "kustomization.yaml"))), &k)
	objects := map[string]any{}
	for _, name := range k.Resources {
		for _, document := range regexp.MustCompile(`(?m)^---\n`).Split(read(t, filepath.Join(kubernetes, name)), -1) {
			key, object := decode(t, name, []byte(document))
			objects[key] = object
		}
	}
	return k, objects
}

// strictly decodes one document. Unknown and duplicate fields are errors.
func strictly(t *testing.T, name string, document []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func decode(t *testing.T, name string, document []byte) (key string, object any) {
	t.Helper()
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	kinds := map[string]any{
		"v1 Namespace": &corev1.Namespace{}, "v1 ServiceAccount": &corev1.ServiceAccount{}, "v1 Service": &corev1.Service{},
		"apps/v1 StatefulSet": &appsv1.StatefulSet{}, "networking.k8s.io/v1 NetworkPolicy": &networkingv1.NetworkPolicy{},
		"policy/v1 PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
	}
	object, ok := kinds[head.APIVersion+" "+head.Kind]
	if !ok {
		t.Fatalf("%s: %s %s is no kind that is known here", name, head.APIVersion, head.Kind)
	}
	strictly(t, name, document, object)
	return head.Kind + " " + head.Metadata.Name, object
}

func TestStrictlyIsStrict(t *testing.T) {
	text := bytes.Replace([]byte(read(t, filepath.Join(kubernetes, "statefulset.yaml"))), []byte("enableServiceLinks"), []byte("enableServiceLink"), 1)
	if err := yaml.UnmarshalStrict(text, &appsv1.StatefulSet{}); err == nil {
		t.Error("a field that does not exist is let through")
	}
}

func TestKustomization(t *testing.T) {
	k, objects := manifests(t)
	want := []string{
		"Namespace hoofbeat", "NetworkPolicy hoofbeat", "PodDisruptionBudget hoofbeat", "Service hoofbeat", "Service hoofbeat-admin",
		"ServiceAccount hoofbeat", "StatefulSet hoofbeat",
	}
	if got := slices.Sorted(maps.Keys(objects)); !slices.Equal(got, want) {
		t.Errorf("the objects are %q, want %q", got, want)
	}
	// Every file must be named; the ServiceMonitor is optional.
	named := append(k.Resources, "kustomization.yaml", "servicemonitor.yaml", "hoofbeat.yaml")
	files, err := filepath.Glob(filepath.Join(kubernetes, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(named, filepath.Base(f)) {
			t.Errorf("kustomization.yaml does not name %s", f)
		}
	}
	if g := k.ConfigMapGenerator; len(g) != 1 || g[0].Name != "hoofbeat" || !slices.Equal(g[0].Files, []string{"hoofbeat.yaml"}) || !g[0].Options.DisableNameSuffixHash {
		t.Errorf("the config map is made by %+v", g)
	}
}

func TestPod(t *testing.T) {
	_, objects := manifests(t)
	set := objects["StatefulSet hoofbeat"].(*appsv1.StatefulSet)
	pod := set.Spec.Template.Spec
	if *set.Spec.Replicas != 1 || objects["Service "+set.Spec.ServiceName] == nil {
		t.Errorf("%d replicas, of the service %s", *set.Spec.Replicas, set.Spec.ServiceName)
	}
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Error("HOOFBEAT_PORT and others would be taken for keys")
	}
	if s := pod.SecurityContext; !*s.RunAsNonRoot || *s.RunAsUser != 65532 || *s.FSGroup != 65532 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod may be %+v", s)
	}
	c := pod.Containers[0]
	if s := c.SecurityContext; *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("the container may %+v", s)
	}
	if _, ok := c.Resources.Limits[corev1.ResourceMemory]; !ok {
		t.Error("memory has no limit")
	}
	for probe, path := range map[*corev1.Probe]string{c.StartupProbe: "/healthz", c.LivenessProbe: "/healthz", c.ReadinessProbe: "/readyz"} {
		if probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != "admin" {
			t.Errorf("a probe asks %+v, want %s of admin", probe.HTTPGet, path)
		}
	}
	wantMounts(t, set)
}

// wantMounts compares the container's mounts with the volumes. subPath is not
// allowed, because such a mount is never updated.
func wantMounts(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	volumes := map[string]bool{}
	for _, v := range set.Spec.Template.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, v := range set.Spec.VolumeClaimTemplates {
		volumes[v.Name] = true
	}
	for _, m := range set.Spec.Template.Spec.Containers[0].VolumeMounts {
		if !volumes[m.Name] || m.SubPath != "" {
			t.Errorf("%+v: there is no such volume, or it would never change", m)
		}
		delete(volumes, m.Name)
	}
	if len(volumes) != 0 {
		t.Errorf("nobody mounts %v", volumes)
	}
}

// Services, policies and the disruption budget select the pod, and refer to its
// ports.
func TestSelectors(t *testing.T) {
	_, objects := manifests(t)
	set := objects["StatefulSet hoofbeat"].(*appsv1.StatefulSet)
	labels := set.Spec.Template.Labels
	policy := objects["NetworkPolicy hoofbeat"].(*networkingv1.NetworkPolicy)
	services := []*corev1.Service{objects["Service hoofbeat"].(*corev1.Service), objects["Service hoofbeat-admin"].(*corev1.Service)}
	for name, selector := range map[string]map[string]string{
		"StatefulSet": set.Spec.Selector.MatchLabels, "NetworkPolicy": policy.Spec.PodSelector.MatchLabels,
		"PodDisruptionBudget": objects["PodDisruptionBudget hoofbeat"].(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels,
		"Service":             services[0].Spec.Selector, "Service of operators": services[1].Spec.Selector,
	} {
		if len(selector) == 0 || !maps.Equal(selector, labels) {
			t.Errorf("%s selects %v, and the pod is %v", name, selector, labels)
		}
	}
	ports := map[string]bool{}
	for _, p := range set.Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = true
	}
	for _, s := range services {
		for _, p := range s.Spec.Ports {
			if !ports[p.TargetPort.StrVal] {
				t.Errorf("the service %s names a port that does not exist: %s", s.Name, p.TargetPort.StrVal)
			}
		}
	}
	for _, rule := range policy.Spec.Ingress {
		for _, p := range rule.Ports {
			if !ports[p.Port.StrVal] {
				t.Errorf("the policy names a port that does not exist: %s", p.Port.StrVal)
			}
			if p.Port.StrVal == "admin" && len(rule.From) == 0 {
				t.Error("the listener for operators is open to everybody")
			}
		}
	}
}

// The pod's grace period exceeds the broker's drain time, and the configured
// paths are on the volumes.
func TestPodAndConfiguration(t *testing.T) {
	_, objects := manifests(t)
	spec := objects["StatefulSet hoofbeat"].(*appsv1.StatefulSet).Spec.Template.Spec
	var c struct {
		Listen struct {
			WebSocket, TCP, Admin struct{ Address string }
		}
		Auth struct {
			JWT struct {
				SecretFile string `json:"secret_file"`
			}
		}
		Storage struct{ Directory string }
		Limits  struct {
			DrainDelay   string `json:"drain_delay"`
			DrainTimeout string `json:"drain_timeout"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(kubernetes, "hoofbeat.yaml"))), &c); err != nil {
		t.Fatal(err)
	}
	var drain time.Duration
	for _, text := range []string{c.Limits.DrainDelay, c.Limits.DrainTimeout} {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		drain += d
	}
	if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace < drain+10*time.Second {
		t.Errorf("Kubernetes waits for %s, the broker for %s", grace, drain)
	}
	for name, address := range map[string]string{"websocket": c.Listen.WebSocket.Address, "stomp": c.Listen.TCP.Address, "admin": c.Listen.Admin.Address} {
		i := slices.IndexFunc(spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
		if i < 0 || address != "0.0.0.0:"+port(spec.Containers[0].Ports[i].ContainerPort) {
			t.Errorf("%s listens on %s, which is not the container's port", name, address)
		}
	}
	for _, path := range []string{c.Auth.JWT.SecretFile, c.Storage.Directory} {
		if !slices.ContainsFunc(spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(path, m.MountPath+"/") }) {
			t.Errorf("nothing is mounted where %q is", path)
		}
	}
}

func port(n int32) string { return strconv.Itoa(int(n)) }
