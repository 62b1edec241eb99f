{{- define "gna.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "gna.labels" -}}
app.kubernetes.io/name: gna
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gna.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gna.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gna.env" -}}
- name: GNA_STORE__URL
  valueFrom:
    secretKeyRef:
      name: {{ required "store.existingSecret names the secret with the store's address" .Values.store.existingSecret }}
      key: {{ .Values.store.urlKey }}
{{- with .Values.store.search }}
- name: GNA_STORE__SEARCH
  value: {{ . | quote }}
{{- end }}
- name: GNA_BLOBS__URL
  value: {{ .Values.blobs.url | default "file:/reports" | quote }}
- name: GNA_KEYRING__KIND
  value: env
- name: GNA_KEYRING__KEY
  valueFrom:
    secretKeyRef:
      name: {{ required "keyring.existingSecret names the secret with the key" .Values.keyring.existingSecret }}
      key: {{ .Values.keyring.keyKey }}
- name: GNA_SERVER__PUBLIC_URL
  value: {{ required "publicUrl is how people reach Gna" .Values.publicUrl | quote }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range .Values.secretEnv }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}
{{- end -}}
