{{/* What our pods have in common. */}}

{{/* (list root values): Pod Security Standard "restricted", of the pod. */}}
{{- define "tesk.podSecurityContext" -}}
{{- $security := (index . 0).Values.security -}}
{{- $context := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- range $name := list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- with get $security $name }}{{ $_ := set $context $name . }}{{ end -}}
{{- end -}}
{{- if $security.fsGroup }}{{ $_ := set $context "fsGroupChangePolicy" "OnRootMismatch" }}{{ end -}}
{{- mergeOverwrite $context (deepCopy (index . 1).podSecurityContext) | toYaml -}}
{{- end -}}

{{/* The same, of a container of a service. */}}
{{- define "tesk.securityContext" -}}
{{- $context := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true -}}
{{- $_ := set $context "capabilities" (dict "drop" (list "ALL")) -}}
{{- mergeOverwrite $context (deepCopy .securityContext) | toYaml -}}
{{- end -}}

{{/* (list values name usual): a probe of a service, as a site has changed it. */}}
{{- define "tesk.probe" -}}
{{- $own := get (index . 0) (index . 1) -}}
{{- if $own.enabled -}}
{{ index . 1 }}:
  {{- mergeOverwrite (index . 2 | fromYaml) (omit $own "enabled") | toYaml | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* (list root values [class]): where a pod may run; our PriorityClass for it. */}}
{{- define "tesk.scheduling" -}}
{{- $own := index . 1 -}}
{{- $fields := dict -}}
{{- with (include "tesk.pullSecrets" (index . 0) | fromJson).list -}}
{{- $_ := set $fields "imagePullSecrets" . -}}
{{- end -}}
{{- range $name := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "schedulerName" -}}
{{- with get $own $name -}}
{{- $_ := set $fields $name . -}}
{{- end -}}
{{- end -}}
{{- if and (gt (len .) 2) (index . 0).Values.priorityClasses.create (not $fields.priorityClassName) -}}
{{- $_ := set $fields "priorityClassName" (include "tesk.clusterName" (list (index . 0) (index . 2))) -}}
{{- end -}}
{{- if $fields -}}
{{- toYaml $fields -}}
{{- end -}}
{{- end -}}

{{/* (list root service): spreading, with the labels of its own pods. */}}
{{- define "tesk.spreading" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $own := dict "matchLabels" (include "tesk.selectorLabels" (list $root $service) | fromYaml) -}}
{{- $constraints := list -}}
{{- range (get $root.Values $service).topologySpreadConstraints -}}
{{- $constraints = append $constraints (merge (deepCopy .) (dict "labelSelector" $own)) -}}
{{- end -}}
{{- if $constraints -}}
{{- dict "topologySpreadConstraints" $constraints | toYaml -}}
{{- end -}}
{{- end -}}

{{/* (list root service): the beginning of a container of ours. */}}
{{- define "tesk.container" -}}
{{- $root := index . 0 -}}
{{- $own := get $root.Values (index . 1) -}}
name: main
image: {{ include "tesk.image" . }}
imagePullPolicy: {{ default $root.Values.images.pullPolicy $own.image.pullPolicy }}
securityContext:
  {{- include "tesk.securityContext" $own | nindent 2 }}
{{- with $own.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What a site adds to the pod of a service. */}}
{{- define "tesk.moreContainers" -}}
{{- with .extraContainers }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tesk.initContainers" -}}
{{- with .initContainers -}}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "tesk.environmentFrom" -}}
{{- with .extraEnvFrom -}}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* (list root values): environment that every service of ours has. */}}
{{- define "tesk.environment" -}}
- name: TESK_CONFIG
  value: /etc/tesk/tesk.yaml
{{- with (index . 1).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tesk.mounts" -}}
- name: settings
  mountPath: /etc/tesk
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- with .extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (list configmap values): volumes that every service of ours has. */}}
{{- define "tesk.volumes" -}}
- name: settings
  configMap:
    name: {{ index . 0 }}
- name: tmp
  emptyDir: {}
{{- with (index . 1).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tesk.tokenMount" -}}
- name: internal
  mountPath: /etc/tesk-internal
  readOnly: true
{{- end -}}

{{- define "tesk.tokenVolume" -}}
- name: internal
  secret:
    secretName: {{ include "tesk.internalSecret" . }}
    defaultMode: 0440
    items:
      - key: token
        path: token
{{- end -}}

{{/* The authority that clients of the scheduler trust. */}}
{{- define "tesk.caMount" -}}
{{- if .Values.tls.enabled -}}
- name: ca
  mountPath: /etc/tesk-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "tesk.caVolume" -}}
{{- if .Values.tls.enabled -}}
- name: ca
{{- if .Values.tls.caBundle }}
  configMap:
    name: {{ include "tesk.fullname" . }}-ca
{{- else }}
  secret:
    secretName: {{ include "tesk.tlsSecret" . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{/* The kubelet's gRPC probe speaks no TLS. */}}
{{- define "tesk.schedulerProbe" -}}
{{- if .Values.tls.enabled -}}
tcpSocket:
  port: grpc
{{- else -}}
grpc:
  port: 7070
{{- end -}}
{{- end -}}
