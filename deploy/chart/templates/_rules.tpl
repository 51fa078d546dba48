{{/* Rights, in the pieces that ClusterRole and Roles are made of. */}}

{{/* In every namespace that is served. */}}
{{- define "sekisho.rules.served" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
- apiGroups: ['']
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# Only their metadata is watched; contents are asked for one by one, for those that Ingresses name.
- apiGroups: ['']
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Of the cluster as a whole. */}}
{{- define "sekisho.rules.cluster" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get, list, watch]
# The zone of the own node{{ if include "sekisho.needsNodes" . }}, and addresses of those that run replicas{{ end }}.
- apiGroups: ['']
  resources: [nodes]
  verbs: [get]
{{- if .Values.controller.watchNamespaceSelector }}
- apiGroups: ['']
  resources: [namespaces]
  verbs: [get, list, watch]
{{- end }}
{{- end -}}

{{/* In the namespace of the release. */}}
{{- define "sekisho.rules.own" -}}
# Which replica writes.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "sekisho.fullname" . }}-leader]
  verbs: [get, update]
# Whether other replicas are ready.
- apiGroups: ['']
  resources: [pods]
  verbs: [get, list, watch]
{{- if .Values.status.publishService }}
- apiGroups: ['']
  resources: [services]
  resourceNames: [{{ include "sekisho.fullname" . }}]
  verbs: [get, list, watch]
{{- end }}
{{- end -}}
