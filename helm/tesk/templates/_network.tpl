{{/* Rules of NetworkPolicies. */}}

{{- define "tesk.network.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 5353, protocol: UDP} # where OpenShift's pods listen
    - {port: 5353, protocol: TCP}
  {{- with .Values.networkPolicy.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tesk.network.toScheduler" -}}
- ports:
    - {port: 7070}
  to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace }}
      podSelector:
        matchLabels:
          {{- include "tesk.selectorLabels" (list . "scheduler") | nindent 10 }}
{{- end -}}

{{- define "tesk.network.toStorageChecks" -}}
{{- if .Values.storageChecks.enabled -}}
- ports:
    - {port: 7071}
  to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ include "tesk.storageChecksNamespace" . }}
      podSelector:
        matchLabels:
          {{- include "tesk.selectorLabels" (list . "storage-checks") | nindent 10 }}
{{- end -}}
{{- end -}}

{{- define "tesk.network.toApiServer" -}}
{{- $own := .Values.networkPolicy.apiServer -}}
- ports:
    {{- range $own.ports }}
    - {port: {{ toJson . }}}
    {{- end }}
  to:
    {{- range $own.cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
{{- end -}}

{{- define "tesk.network.toCollector" -}}
{{- if .Values.tracing.endpoint }}
{{- with .Values.tracing.egress }}
{{- toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What filers may reach. */}}
{{- define "tesk.network.ofFilers" -}}
{{ include "tesk.network.toScheduler" . }}
{{ include "tesk.network.toStorages" . }}
{{- end -}}

{{/* What holds storages. */}}
{{- define "tesk.network.toStorages" -}}
{{- $own := .Values.networkPolicy.filer -}}
{{ include "tesk.network.dns" . }}
{{- with include "tesk.network.toCollector" . }}
{{ . }}
{{- end }}
# The pod of `helm test` is a storage while it runs.
- ports:
    - {port: 8000}
  to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace }}
      podSelector:
        matchLabels:
          {{- include "tesk.selectorLabels" (list . "test") | nindent 10 }}
{{- with include "tesk.network.toNetworks" (list . $own) }}
{{ . }}
{{- end }}
{{- with $own.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What executors may reach; may be nothing. */}}
{{- define "tesk.network.ofExecutors" -}}
{{- $own := .Values.networkPolicy.executors -}}
{{- if $own.dns }}
{{ include "tesk.network.dns" . }}
{{- end }}
{{- with include "tesk.network.toNetworks" (list . $own) }}
{{ . }}
{{- end }}
{{- with $own.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (list root which): the networks that `internet`, `private` and `metadata` open. */}}
{{- define "tesk.network.toNetworks" -}}
{{- $policy := (index . 0).Values.networkPolicy -}}
{{- $own := index . 1 -}}
{{- $linkLocal := list "169.254.0.0/16" "fe80::/10" -}}
{{- if or $own.internet $own.private -}}
- {{ with get $own "ports" -}}
  ports:
    {{- range . }}
    - {port: {{ toJson . }}}
    {{- end }}
  {{ end -}}
  to:
    {{- if $own.internet }}
    {{- range $all := list "0.0.0.0/0" "::/0" }}
    - ipBlock:
        cidr: {{ $all }}
        except:
          {{- range $policy.privateRanges }}
          {{- if eq (contains ":" .) (contains ":" $all) }}
          - {{ . }}
          {{- end }}
          {{- end }}
    {{- end }}
    {{- end }}
    {{- if $own.private }}
    {{- range $policy.privateRanges }}
    {{- if not (has . $linkLocal) }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- if get $own "metadata" }}
- to:
    - ipBlock:
        cidr: 169.254.169.254/32
    - ipBlock:
        cidr: 169.254.170.0/24
{{- end }}
{{- end -}}
