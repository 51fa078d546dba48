{{/* Command line of the gateway. */}}
{{- define "sekisho.arguments" -}}
{{- if and .Values.controller.watchNamespaces .Values.controller.watchNamespaceSelector -}}
{{- fail "controller.watchNamespaces and controller.watchNamespaceSelector exclude each other" -}}
{{- end -}}
- gateway
- --entryPoints.web.address=:{{ .Values.ports.web }}
- --entryPoints.websecure.address=:{{ .Values.ports.websecure }}
- --entryPoints.websecure.http.tls
{{- range $name := list "web" "websecure" }}
- --entryPoints.{{ $name }}.transport.lifeCycle.requestAcceptGraceTimeout={{ $.Values.lifeCycle.acceptSeconds }}s
- --entryPoints.{{ $name }}.transport.lifeCycle.graceTimeOut={{ $.Values.lifeCycle.graceSeconds }}s
{{- end }}
- --entryPoints.traefik.address=[$(POD_IP)]:{{ .Values.ports.internal }}
# Answers as long as it is asked.
- --entryPoints.traefik.transport.lifeCycle.requestAcceptGraceTimeout={{ .Values.lifeCycle.acceptSeconds }}s
- --ping
{{- if .Values.metrics.enabled }}
- --metrics.prometheus
{{- end }}
- --log.level={{ .Values.log.level }}
- --log.format={{ .Values.log.format }}
{{- if .Values.log.access }}
- --accessLog
- --accessLog.format={{ .Values.log.accessFormat }}
{{- end }}
{{- with .Values.workers }}
- --workers={{ . }}
{{- end }}
{{- with .Values.controller }}
- --controller-class={{ .controllerClass }}
{{- if .ingressClass }}
- --ingress-class={{ .ingressClass }}
{{- end }}
{{- if .watchIngressWithoutClass }}
- --watch-ingress-without-class
{{- end }}
{{- if .watchNamespaces }}
- --watch-namespace={{ join "," .watchNamespaces }}
{{- end }}
{{- if .watchNamespaceSelector }}
- {{ printf "--watch-namespace-selector=%s" .watchNamespaceSelector | quote }}
{{- end }}
{{- if .ingressLabelSelector }}
- {{ printf "--ingress-label-selector=%s" .ingressLabelSelector | quote }}
{{- end }}
{{- if .allowExternalNameServices }}
- --allow-external-name-services
{{- end }}
{{- if .compat }}
- --compat={{ .compat }}
{{- end }}
{{- end }}
{{- if .Values.status.publishAddresses }}
- --publish-address={{ join "," .Values.status.publishAddresses }}
{{- else if .Values.status.publishService }}
- --publish-service={{ .Release.Namespace }}/{{ include "sekisho.fullname" . }}
{{- end }}
{{- /* Who may not read IngressClasses cannot know that the class of this release is its own. */}}
{{- $isUnread := and .Values.controller.watchNamespaces (not .Values.rbac.clusterScoped) }}
{{- $isOwn := and .Values.ingressClass.create (eq .Values.controller.ingressClass .Values.ingressClass.name) }}
{{- if or .Values.status.updateForeignClass (and $isUnread $isOwn) }}
- --update-status
{{- end }}
- --election-namespace={{ .Release.Namespace }}
- --election-id={{ include "sekisho.fullname" . }}-leader
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}
