{{/* The settings files of the services: no secrets in them. */}}

{{/* Values as JSON, with the names that settings have for them. */}}
{{- define "tesk.asSettings" -}}
{{- if kindIs "map" . -}}
{{- $own := . -}}
{{- $found := dict -}}
{{- range $key, $value := . -}}
{{- $name := has $key (list "ramGb" "diskGb" "perTask" "nodeSelector" "typeLabel" "nodeReserve" "reserveAfter") | ternary (snakecase $key) $key -}}
{{- $isOld := and (eq $key "patience") (hasKey $own "reserveAfter") -}}
{{- if and (not $isOld) (or (eq $name $key) (not (hasKey $own $name))) -}}
{{- $_ := set $found $name (printf "{\"it\":%s}" (include "tesk.asSettings" $value) | fromJson).it -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}

{{- define "tesk.settings.shared" -}}
log: {{ toJson .Values.log }}
{{- with .Values.tracing.endpoint }}
tracing: {endpoint: {{ toJson . }}}
{{- end }}
grpc:
  scheduler: {{ include "tesk.schedulerAddress" . }}
  {{- if .Values.tls.enabled }}
  tls_ca: /etc/tesk-ca/ca.crt
  {{- end }}
{{- end -}}

{{- define "tesk.settings.api" -}}
{{- $own := .Values.api -}}
{{- $info := $own.serviceInfo -}}
{{ include "tesk.settings.shared" . }}
  token_file: /etc/tesk-internal/token
{{- if .Values.storageChecks.enabled }}
  storage: dns:///{{ include "tesk.storageChecksHost" . }}:7071
{{- end }}
{{- include "tesk.settings.urls" . }}
api:
  host: "0.0.0.0"
  port: 8080
  workers: {{ toJson $own.workers }}
  threads: {{ toJson $own.threads }}
  metrics_listen: "0.0.0.0:9090"
  body_limit: {{ toJson $own.bodyLimit }}
  refuse_unknown_fields: {{ $own.refuseUnknownFields }}
  show_queued_as_initializing: {{ $own.showQueuedAsInitializing }}
  cors_origins: {{ toJson $own.corsOrigins }}
  allowed_hosts: {{ toJson $own.allowedHosts }}
  auth: {{ .Values.auth.mode }}
  {{- if eq .Values.auth.mode "basic" }}
  users_file: /etc/tesk-auth/users
  {{- if .Values.auth.groupsKey }}
  groups_file: /etc/tesk-auth/groups
  {{- end }}
  {{- end }}
  admin_group: {{ toJson .Values.auth.adminGroup }}
  trusted_proxies: {{ include "tesk.trustedProxies" . }}
  service_id: {{ toJson $info.id }}
  service_name: {{ toJson $info.name }}
  service_description: {{ toJson $info.description }}
  organization_name: {{ toJson $info.organizationName }}
  organization_url: {{ toJson $info.organizationUrl }}
  contact_url: {{ toJson $info.contactUrl }}
  documentation_url: {{ toJson $info.documentationUrl }}
  environment: {{ toJson $info.environment }}
  {{- with $info.createdAt }}
  created_at: {{ toJson . }}
  {{- end }}
  {{- with $info.updatedAt }}
  updated_at: {{ toJson . }}
  {{- end }}
  storage: {{ include "tesk.storages" . }}
  {{- if and .Values.storage.shared.claim .Values.storage.shared.readOnly }}
  read_storage: {{ list (include "tesk.sharedPrefix" .) | toJson }}
  {{- end }}
  {{- with .Values.references }}
  references: {{ keys . | sortAlpha | toJson }}
  {{- end }}
  backend_parameters: {{ include "tesk.backendParameters" . }}
{{- end -}}

{{- define "tesk.settings.urls" -}}
{{- with .Values.storage.urls -}}
{{- if or .allow .deny .indexPages }}
urls: {{ dict "allow" .allow "deny" .deny "index_pages" .indexPages | toJson }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Beginnings of the urls that tasks can use, JSON. */}}
{{- define "tesk.storages" -}}
{{- $urls := .Values.api.serviceInfo.storage -}}
{{- if and .Values.storage.shared.claim (not .Values.storage.shared.readOnly) -}}
{{- $urls = append $urls (include "tesk.sharedPrefix" .) -}}
{{- end -}}
{{- toJson $urls -}}
{{- end -}}

{{- define "tesk.sharedPrefix" -}}
{{- default (printf "file://%s" .Values.storage.shared.mountPath) .Values.storage.shared.urlPrefix -}}
{{- end -}}

{{/* The supported keys of backend_parameters, each with its allowed values, JSON. */}}
{{- define "tesk.backendParameters" -}}
{{- $place := .Values.placement -}}
{{- $keys := dict -}}
{{- with $place.pools }}{{ $_ := set $keys "pool" (keys . | sortAlpha) }}{{ end -}}
{{- with int $place.gpu.most }}{{ $_ := set $keys "gpu" (list (printf "1..%d" .)) }}{{ end -}}
{{- with concat (keys $place.gpu.types) (keys (omit $place.gpu.claims "*")) }}{{ $_ := set $keys "gpu_type" (uniq . | sortAlpha) }}{{ end -}}
{{- with $place.priorityClasses }}{{ $_ := set $keys "priority_class" . }}{{ end -}}
{{- with $place.queues }}{{ $_ := set $keys "queue" . }}{{ end -}}
{{- with $place.runtimeClasses }}{{ $_ := set $keys "runtime_class" . }}{{ end -}}
{{- with .Values.taskmaster.layoutsAllowed }}{{ $_ := set $keys "layout" . }}{{ end -}}
{{- if .Values.webhooks.ofTasks }}{{ $_ := set $keys "webhook" (list) }}{{ end -}}
{{- toJson $keys -}}
{{- end -}}

{{/* "true" if tasks may run as one pod. */}}
{{- define "tesk.mayBePods" -}}
{{- $own := .Values.taskmaster -}}
{{- range append (default list $own.layoutsAllowed) $own.layout -}}
{{- if ne . "jobs" }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* How the steps of tasks lie on the cluster, only if set. */}}
{{- define "tesk.settings.layouts" -}}
{{- if include "tesk.mayBePods" . -}}
{{- $own := .Values.taskmaster -}}
layout: {{ $own.layout }}
layouts_allowed: {{ toJson (default list $own.layoutsAllowed) }}
pod_order: {{ $own.pod.order }}
pod_volume: {{ $own.pod.volume }}
pod_max_disk: {{ mul (int64 $own.pod.maxDiskGb) 1073741824 }}
{{- end -}}
{{- end -}}

{{/* "true" if pods can have resources as a whole. */}}
{{- define "tesk.podResources" -}}
{{- $asked := .Values.taskmaster.pod.resources -}}
{{- if kindIs "bool" $asked | ternary $asked (semverCompare ">=1.34-0" .Capabilities.KubeVersion.Version) }}true{{ end -}}
{{- end -}}

{{- define "tesk.settings.kubernetes" -}}
{{- $place := .Values.placement -}}
{{- $limits := .Values.timeLimits -}}
kubernetes:
  namespaces: {{ (include "tesk.taskNamespaces" . | fromJson).list | toJson }}
  instance: {{ .Release.Name }}
  owner: {{ include "tesk.fullname" . }}-tasks
  templates: /etc/tesk
  storage_class: {{ toJson .Values.taskVolumes.storageClass }}
  access_mode: {{ .Values.taskVolumes.accessMode }}
  {{- $references := dict }}
  {{- range $name, $place := .Values.references }}
  {{- $_ := set $references $name (dict "claim" $place.claim "sub_path" (default "" $place.subPath)) }}
  {{- end }}
  {{- with $references }}
  references: {{ toJson . }}
  {{- end }}
  {{- if and .Values.rbac.create .Values.rbac.nodes .Values.rbac.pods }}
  all_pods: true
  {{- end }}
  {{- if and (include "tesk.mayBePods" .) (include "tesk.podResources" .) }}
  pod_resources: true
  {{- end }}
  cpu_limit_ratio: {{ toJson .Values.executors.resources.cpuLimitRatio }}
  image_timeout: {{ toJson $limits.imageSeconds }}
  image_missing_timeout: {{ toJson $limits.imageMissingSeconds }}
  config_timeout: {{ toJson $limits.configSeconds }}
  schedule_timeout: {{ toJson $limits.scheduleSeconds }}
  volume_timeout: {{ toJson $limits.volumeSeconds }}
  start_timeout: {{ toJson $limits.startSeconds }}
  quota_timeout: {{ toJson $limits.quotaSeconds }}
  refusal_timeout: {{ toJson $limits.refusalSeconds }}
  missing_timeout: {{ toJson $limits.missingSeconds }}
  node_timeout: {{ toJson $limits.nodeSeconds }}
  preemptible: {{ include "tesk.asSettings" $place.preemptible }}
  pools: {{ include "tesk.asSettings" $place.pools }}
  {{- /* Claims only if set: taskmasters of the release before do not know them. */}}
  gpu: {{ include "tesk.asSettings" (empty $place.gpu.claims | ternary (omit $place.gpu "claims") $place.gpu) }}
  priority_classes: {{ toJson $place.priorityClasses }}
  runtime_classes: {{ toJson $place.runtimeClasses }}
  {{- with $place.queue }}
  queue: {{ . }}
  {{- end }}
  {{- with $place.groupQueues }}
  group_queues: {{ toJson . }}
  {{- end }}
  {{- with $place.queues }}
  queues: {{ toJson . }}
  {{- end }}
{{- end -}}

{{- define "tesk.settings.scheduler" -}}
{{- $own := .Values.scheduler -}}
{{- $pods := .Values.taskmaster -}}
{{ include "tesk.settings.shared" . }}
  token_file: /etc/tesk-internal/token
  reflection: {{ $own.reflection }}
  {{- if .Values.tls.enabled }}
  tls_certificate: /etc/tesk-tls/tls.crt
  tls_key: /etc/tesk-tls/tls.key
  {{- end }}
local:
  home: /var/lib/tesk
scheduler:
  launcher: kubernetes
  listen: "0.0.0.0:7070"
  metrics_listen: "0.0.0.0:9090"
  lease: {{ toJson $own.leaseSeconds }}
  start_timeout: {{ toJson $pods.startSeconds }}
  idle: {{ toJson $pods.idleSeconds }}
  tasks_per_taskmaster: {{ toJson $pods.tasksPerPod }}
  max_taskmasters: {{ toJson $pods.maxPods }}
  max_attempts: {{ toJson $own.maxAttempts }}
  max_uncounted_losses: {{ toJson $own.maxUncountedLosses }}
  retry_backoff: {{ toJson $own.retryBackoffSeconds }}
  max_retry_backoff: {{ toJson $own.maxRetryBackoffSeconds }}
  retries: {{ toJson $own.retries }}
  max_run_time: {{ toJson $own.maxRunSeconds }}
  max_queue_time: {{ toJson $own.maxQueueSeconds }}
  max_takeovers: {{ toJson $own.maxTakeovers }}
  retention: {{ toJson $own.retentionSeconds }}
  changes_retention: {{ toJson $own.changesRetentionSeconds }}
  call_cache: {{ toJson $own.callCache }}
  call_cache_generation: {{ toJson $own.callCacheGeneration }}
{{- /* In a file of its own: a change needs no restart. */}}
quota: {file: /etc/tesk/quota.yaml}
{{- include "tesk.settings.webhooks" . }}
{{ include "tesk.settings.kubernetes" . }}
{{- end -}}

{{/* Only if there are any: schedulers of the release before do not know them. */}}
{{- define "tesk.settings.webhooks" -}}
{{- $own := .Values.webhooks -}}
{{- if $own.existingSecret }}
webhooks:
  file: /etc/tesk-webhooks/webhooks.yaml
  secrets: /etc/tesk-webhooks
  {{- with $own.source }}
  source: {{ toJson . }}
  {{- end }}
  private_networks: {{ $own.privateNetworks }}
  allowed_networks: {{ toJson $own.allowedNetworks }}
  plain_http: {{ $own.plainHttp }}
  timeout: {{ toJson $own.timeoutSeconds }}
  parallel: {{ toJson $own.parallel }}
  max_tries: {{ toJson $own.maxTries }}
  max_age: {{ toJson $own.maxAgeSeconds }}
{{- end }}
{{- end -}}

{{- define "tesk.settings.taskmaster" -}}
{{- $own := .Values.taskmaster -}}
{{ include "tesk.settings.shared" . }}
  token_file: /etc/tesk-internal/token
taskmaster:
  runtime: kubernetes
  slots: {{ toJson $own.tasksPerPod }}
  live_interval: {{ toJson $own.liveIntervalSeconds }}
  upload_tries: {{ toJson $own.uploadTries }}
  upload_backoff: {{ toJson $own.uploadBackoffSeconds }}
  upload_timeout: {{ toJson $own.uploadTimeoutSeconds }}
  {{- with include "tesk.settings.layouts" . }}
  {{- . | nindent 2 }}
  {{- end }}
{{ include "tesk.settings.kubernetes" . }}
{{- end -}}

{{- define "tesk.settings.filer" -}}
{{- $own := .Values.filer -}}
{{- $s3 := .Values.storage.s3 -}}
{{ include "tesk.settings.shared" . }}
{{- include "tesk.settings.urls" . }}
filer:
  parallel: {{ toJson $own.parallel }}
  missing_outputs: {{ $own.missingOutputs }}
  max_files: {{ int64 $own.maxFiles }}
  max_depth: {{ int64 $own.maxDepth }}
  max_file_bytes: {{ int64 $own.maxFileBytes }}
  extended_patterns: {{ $own.extendedPatterns }}
  tries: {{ toJson $own.tries }}
  backoff: {{ toJson $own.backoffSeconds }}
  connect_timeout: {{ toJson $own.connectTimeoutSeconds }}
  stall_timeout: {{ toJson $own.stallTimeoutSeconds }}
  {{- /* Under its old name: filers of the release before read this file, too. */}}
  scheduler_patience: {{ toJson (hasKey $own "schedulerPatienceSeconds" | ternary $own.schedulerPatienceSeconds $own.schedulerTimeoutSeconds) }}
  s3_endpoint: {{ toJson $s3.endpoint }}
  s3_region: {{ toJson $s3.region }}
  s3_anonymous: {{ $s3.anonymous }}
  {{- if $s3.sdk }}
  s3_sdk: true
  {{- end }}
{{- /* Only if set: filers of the release before do not know them. */}}
{{- if ne (int64 $own.partsFromBytes) 67108864 }}
  parts_from: {{ int64 $own.partsFromBytes }}
{{- end }}
{{- with int64 $own.maxBytesPerSecond }}
  max_bytes_per_second: {{ . }}
{{- end }}
{{- if not $own.keepModes }}
  keep_modes: false
{{- end }}
{{- if $own.sha256 }}
  sha256: true
{{- end }}
{{- with .Values.storage.hdfs.user }}
  hdfs_user: {{ toJson . }}
{{- end }}
{{- if ne (int .Values.storage.hdfs.port) 9870 }}
  hdfs_port: {{ int .Values.storage.hdfs.port }}
{{- end }}
{{- if .Values.storage.netrc.existingSecret }}
  netrc: /etc/tesk-storage/netrc/netrc
{{- end }}
{{- if .Values.storage.shared.claim }}
  shared_prefix: {{ include "tesk.sharedPrefix" . }}
  shared_path: {{ .Values.storage.shared.mountPath }}
{{- end }}
{{- end -}}
