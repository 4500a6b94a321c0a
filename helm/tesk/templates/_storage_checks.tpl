{{/* What looks at the urls of tasks before they are created. */}}

{{/* Where filers are, for the Secrets of storages are there: the release's namespace, if tasks run in it. */}}
{{- define "tesk.storageChecksNamespace" -}}
{{- $tasks := (include "tesk.taskNamespaces" . | fromJson).list -}}
{{- has .Release.Namespace $tasks | ternary .Release.Namespace (first $tasks) -}}
{{- end -}}

{{- define "tesk.storageChecksHost" -}}
{{ include "tesk.fullname" . }}-storage-checks.{{ include "tesk.storageChecksNamespace" . }}.svc
{{- end -}}

{{- define "tesk.storageChecksEnvironment" -}}
{{- $own := .Values.storageChecks -}}
- name: TESK_FILER_LISTEN
  value: "0.0.0.0:7071"
- name: TESK_GRPC_TOKEN_FILE
  value: /etc/tesk-internal/token
- name: TESK_FILER_CHECK_TIMEOUT
  value: {{ toString $own.timeoutSeconds | quote }}
- name: TESK_FILER_CHECKS_AT_ONCE
  value: {{ toString $own.atOnce | quote }}
- name: TESK_FILER_CHECKED_URLS_PER_MINUTE
  value: {{ int64 $own.urlsPerMinute | toString | quote }}
{{- if .Values.tls.enabled }}
- name: TESK_GRPC_TLS_CERTIFICATE
  value: /etc/tesk-tls/tls.crt
- name: TESK_GRPC_TLS_KEY
  value: /etc/tesk-tls/tls.key
{{- end }}
{{- end -}}

{{/* As that of the scheduler: the kubelet's gRPC probe speaks no TLS. */}}
{{- define "tesk.storageChecksProbe" -}}
{{- if .Values.tls.enabled -}}
tcpSocket:
  port: grpc
{{- else -}}
grpc:
  port: 7071
{{- end -}}
{{- end -}}

{{- define "tesk.checks.storageChecks" -}}
{{- $v := .Values -}}
{{- if $v.storageChecks.enabled -}}
{{- if and $v.tls.enabled (ne (include "tesk.storageChecksNamespace" .) .Release.Namespace) -}}
{{- fail "storageChecks with tls needs the certificate where tasks run: put the release's namespace into taskNamespaces, or set storageChecks.enabled to false." -}}
{{- end -}}
{{- end -}}
{{- end -}}
