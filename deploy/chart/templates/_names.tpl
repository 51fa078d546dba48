{{/* Names and labels that the objects share. */}}

{{- define "sekisho.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sekisho.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "sekisho.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sekisho.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Cluster-scoped objects: two releases of one name may be in two namespaces. */}}
{{- define "sekisho.clusterName" -}}
{{- if eq .Release.Namespace (include "sekisho.fullname" .) -}}
{{- include "sekisho.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "sekisho.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "sekisho.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sekisho.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What never changes: selectors cannot be changed later. */}}
{{- define "sekisho.selector" -}}
app.kubernetes.io/name: {{ include "sekisho.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "sekisho.labels" -}}
{{ include "sekisho.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "sekisho.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Whether status is written from the addresses of nodes. */}}
{{- define "sekisho.needsNodes" -}}
{{- if .Values.status.publishAddresses -}}
{{- else if not .Values.status.publishService -}}
true
{{- else if eq .Values.service.type "NodePort" -}}
true
{{- end -}}
{{- end -}}

{{- define "sekisho.parametersNamespace" -}}
{{- default .Release.Namespace .Values.ingressClass.parameters.namespace -}}
{{- end -}}
