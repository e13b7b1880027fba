{{- define "tidegate.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- define "tidegate.labels" -}}
app.kubernetes.io/name: tidegate-admission
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
