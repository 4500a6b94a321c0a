{{/* Names and labels: the one place that makes them. */}}

{{- define "tesk.fullname" -}}
{{- $name := default "tesk" .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (list root component): by which pods are found; never changes. */}}
{{- define "tesk.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: tesk
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list root component [labels]): of every object of the chart; what selects its pods wins, then ours, then its own labels. */}}
{{- define "tesk.labels" -}}
{{- $root := index . 0 -}}
{{- $more := dict -}}
{{- if gt (len .) 2 }}{{ $more = default (dict) (index . 2) }}{{ end -}}
{{- $fixed := include "tesk.selectorLabels" . | fromYaml -}}
{{- $_ := set $fixed "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $fixed "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $fixed "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $fixed $more $root.Values.commonLabels) -}}
{{- end -}}

{{/* (list root component name [namespace [annotations [labels]]]): the metadata that every object begins with. */}}
{{- define "tesk.metadata" -}}
{{- $root := index . 0 -}}
{{- $namespace := "" -}}
{{- $annotations := dict -}}
{{- if gt (len .) 3 }}{{ $namespace = index . 3 }}{{ end -}}
{{- $labels := dict -}}
{{- if gt (len .) 4 }}{{ $annotations = default (dict) (index . 4) }}{{ end -}}
{{- if gt (len .) 5 }}{{ $labels = default (dict) (index . 5) }}{{ end -}}
name: {{ index . 2 }}
namespace: {{ default $root.Release.Namespace $namespace }}
{{- with merge (dict) $annotations $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "tesk.labels" (list $root (index . 1) $labels) | nindent 2 }}
{{- end -}}

{{/* (list root part): name of an object that is in no namespace. */}}
{{- define "tesk.clusterName" -}}
{{- $root := index . 0 -}}
{{ include "tesk.fullname" $root }}.{{ $root.Release.Namespace }}.{{ index . 1 }}
{{- end -}}

{{/* (list root part): the metadata of such an object. */}}
{{- define "tesk.clusterMetadata" -}}
{{- $root := index . 0 -}}
name: {{ include "tesk.clusterName" . }}
{{- with $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "tesk.labels" . | nindent 2 }}
{{- end -}}

{{/* The namespaces in which tasks run: {"list": […]}. */}}
{{- define "tesk.taskNamespaces" -}}
{{- dict "list" (default (list .Release.Namespace) .Values.taskNamespaces) | toJson -}}
{{- end -}}

{{/* All namespaces in which we have pods. */}}
{{- define "tesk.allNamespaces" -}}
{{- $tasks := (include "tesk.taskNamespaces" . | fromJson).list -}}
{{- dict "list" (prepend $tasks .Release.Namespace | uniq) | toJson -}}
{{- end -}}

{{/* True text if tasks run where the release is not. */}}
{{- define "tesk.tasksElsewhere" -}}
{{- range (include "tesk.taskNamespaces" . | fromJson).list -}}
{{- if ne . $.Release.Namespace -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* (list root service): name of a ServiceAccount. */}}
{{- define "tesk.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := (get $root.Values (index . 1)).serviceAccount -}}
{{- default (printf "%s-%s" (include "tesk.fullname" $root) (index . 1)) $account.name -}}
{{- end -}}

{{/* (list root service): reference of an image. */}}
{{- define "tesk.image" -}}
{{- $root := index . 0 -}}
{{- $own := (get $root.Values (index . 1)).image -}}
{{- with coalesce $root.Values.global.imageRegistry $own.registry $root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $own.repository -}}
{{- if $own.digest }}@{{ $own.digest }}
{{- else }}:{{ coalesce $own.tag $root.Values.images.tag $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The Secrets for pulling, whichever value names them: {"list": [{"name": …}]}. */}}
{{- define "tesk.pullSecrets" -}}
{{- $found := list -}}
{{- range concat .Values.images.pullSecrets (default (list) .Values.imagePullSecrets) .Values.global.imagePullSecrets -}}
{{- $found = append $found (kindIs "map" . | ternary . (dict "name" .)) -}}
{{- end -}}
{{- dict "list" (uniq $found) | toJson -}}
{{- end -}}

{{/* A service's number of pods, by either name. */}}
{{- define "tesk.replicas" -}}
{{- kindIs "invalid" .replicaCount | ternary .replicas .replicaCount | toJson -}}
{{- end -}}

{{/* True text if the Ingress serves HTTPS. */}}
{{- define "tesk.ingressTls" -}}
{{- if kindIs "map" .Values.ingress.tls -}}
{{- if .Values.ingress.tls.enabled }}yes{{ end -}}
{{- else if .Values.ingress.tls -}}
yes
{{- end -}}
{{- end -}}

{{/* The hosts of the Ingress and what of them goes to TESK: {"list": [{"host": …, "paths": […]}]}. */}}
{{- define "tesk.ingressHosts" -}}
{{- $own := .Values.ingress -}}
{{- $usual := list (dict "path" $own.path "pathType" $own.pathType) -}}
{{- $found := list -}}
{{- range default (list "") $own.hosts -}}
{{- $host := kindIs "map" . | ternary . (dict "host" .) -}}
{{- $found = append $found (dict "host" $host.host "paths" (default $usual $host.paths)) -}}
{{- end -}}
{{- dict "list" $found | toJson -}}
{{- end -}}

{{- define "tesk.schedulerAddress" -}}
dns:///{{ include "tesk.fullname" . }}-scheduler.{{ .Release.Namespace }}.svc:7070
{{- end -}}

{{- define "tesk.internalSecret" -}}
{{- default (printf "%s-internal" (include "tesk.fullname" .)) .Values.internalToken.existingSecret -}}
{{- end -}}

{{- define "tesk.tlsSecret" -}}
{{- default (printf "%s-tls" (include "tesk.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* The internal token: given, kept, or new; the same wherever it is asked for. */}}
{{- define "tesk.token" -}}
{{- if .Values.internalToken.value -}}
{{- .Values.internalToken.value -}}
{{- else -}}
{{- if not (hasKey .Release "teskToken") -}}
{{- $there := lookup "v1" "Secret" .Release.Namespace (include "tesk.internalSecret" .) -}}
{{- $kept := get (default (dict) $there.data) "token" | default "" | b64dec -}}
{{- $_ := set .Release "teskToken" (default (randAlphaNum 48) $kept) -}}
{{- end -}}
{{- .Release.teskToken -}}
{{- end -}}
{{- end -}}

{{/* (list root name…): checksum of what is in Secrets that others made. */}}
{{- define "tesk.secretChecksum" -}}
{{- $root := first . -}}
{{- $found := list -}}
{{- range rest . -}}
{{- if . -}}
{{- $found = append $found (get (lookup "v1" "Secret" $root.Release.Namespace .) "data") -}}
{{- end -}}
{{- end -}}
{{- $found | toJson | sha256sum -}}
{{- end -}}

{{/* Checksum by which a new token rolls pods. */}}
{{- define "tesk.tokenChecksum" -}}
{{- with .Values.internalToken.existingSecret -}}
{{- include "tesk.secretChecksum" (list $ .) -}}
{{- else -}}
{{- include "tesk.token" . | sha256sum -}}
{{- end -}}
{{- end -}}

{{/* Annotations of what tasks need that go on without the release. */}}
{{- define "tesk.keptWithTasks" -}}
{{- if eq .Values.uninstall.runningTasks "keep" -}}
helm.sh/resource-policy: keep
{{- end -}}
{{- end -}}

{{- define "tesk.databaseClaim" -}}
{{- include "tesk.fullname" . }}-database
{{- end -}}
