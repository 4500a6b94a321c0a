{{/* What controllers need for answers that go on (docs/install.md) and for large requests. */}}

{{/* Annotations of the Ingress, of which those that are given win. */}}
{{- define "tesk.ingress.annotations" -}}
{{- $own := .Values.ingress -}}
{{- $of := dict -}}
{{- $silence := int64 $own.readTimeoutSeconds -}}
{{- $seconds := printf "%ds" $silence -}}
{{- $body := int64 .Values.api.bodyLimit | toString -}}
{{- if eq $own.controller "nginx" -}}
{{- $_ := set $of "nginx.ingress.kubernetes.io/proxy-read-timeout" (toString $silence) -}}
{{- $_ := set $of "nginx.ingress.kubernetes.io/proxy-body-size" $body -}}
{{- $_ := set $of "nginx.org/proxy-read-timeout" $seconds -}}
{{- $_ := set $of "nginx.org/client-max-body-size" $body -}}
{{- else if eq $own.controller "haproxy" -}}
{{- $_ := set $of "haproxy.org/timeout-server" $seconds -}}
{{- $_ := set $of "haproxy-ingress.github.io/timeout-server" $seconds -}}
{{- else if eq $own.controller "contour" -}}
{{- /* It counts the whole answer. */ -}}
{{- $_ := set $of "projectcontour.io/response-timeout" "infinity" -}}
{{- else if eq $own.controller "alb" -}}
{{- if eq .Values.api.service.type "ClusterIP" -}}
{{- $_ := set $of "alb.ingress.kubernetes.io/target-type" "ip" -}}
{{- end -}}
{{- $_ := set $of "alb.ingress.kubernetes.io/healthcheck-path" "/readyz" -}}
{{- /* Of the load balancer, which other Ingresses may share: only what is not usual. */ -}}
{{- if ne $silence 60 -}}
{{- $_ := set $of "alb.ingress.kubernetes.io/load-balancer-attributes" (printf "idle_timeout.timeout_seconds=%d" $silence) -}}
{{- end -}}
{{- end -}}
{{- merge (dict) (default (dict) $own.annotations) $of | toYaml -}}
{{- end -}}

{{/* "true" if Google Cloud's load balancer serves the Ingress. */}}
{{- define "tesk.ingress.isGke" -}}
{{- if and .Values.ingress.enabled (eq .Values.ingress.controller "gke") }}true{{ end -}}
{{- end -}}

{{/* Annotations of the api's Service, of which those that are given win. */}}
{{- define "tesk.ingress.serviceAnnotations" -}}
{{- $of := dict -}}
{{- if include "tesk.ingress.isGke" . -}}
{{- $config := dict "default" (printf "%s-api" (include "tesk.fullname" .)) -}}
{{- $_ := set $of "cloud.google.com/backend-config" (toJson $config) -}}
{{- $_ := set $of "cloud.google.com/neg" (dict "ingress" true | toJson) -}}
{{- end -}}
{{- merge (dict) (default (dict) .Values.api.service.annotations) $of | toYaml -}}
{{- end -}}

{{/* How many addresses what is in front adds to X-Forwarded-For; Google's adds its own, too. */}}
{{- define "tesk.trustedProxies" -}}
{{- $given := .Values.auth.trustedProxies -}}
{{- if not (kindIs "invalid" $given) -}}
{{- $given -}}
{{- else if include "tesk.ingress.isGke" . -}}
2
{{- else -}}
{{- ternary 1 0 (or .Values.ingress.enabled .Values.route.enabled) -}}
{{- end -}}
{{- end -}}
