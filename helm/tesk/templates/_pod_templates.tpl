{{/* Templates of the pods that are made at run time; TESK completes them. */}}

{{- define "tesk.taskmasterPod" -}}
{{- $own := .Values.taskmaster -}}
{{- $name := include "tesk.fullname" . -}}
metadata:
  labels:
    tesk/access-scheduler: "true"
    {{- with $own.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ include "tesk.taskmasterChecksum" . }} # a part of its revision
    {{- with $own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "tesk.serviceAccount" (list . "taskmaster") }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  securityContext:
    {{- include "tesk.podSecurityContext" (list . $own) | nindent 4 }}
  {{- with include "tesk.scheduling" (list . $own "taskmasters") }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "tesk.initContainers" $own }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - {{ include "tesk.container" (list . "taskmaster") | nindent 6 | trim }}
      {{- with include "tesk.environmentFrom" $own }}
      {{- . | nindent 6 }}
      {{- end }}
      env:
        {{- include "tesk.environment" (list . $own) | nindent 8 }}
      volumeMounts:
        {{- include "tesk.mounts" $own | nindent 8 }}
        {{- include "tesk.tokenMount" . | nindent 8 }}
        {{- with include "tesk.caMount" . }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "tesk.volumes" (list (printf "%s-taskmaster" $name) $own) | nindent 4 }}
    {{- include "tesk.tokenVolume" . | nindent 4 }}
    {{- with include "tesk.caVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Checksum of all that a taskmaster works by, beside its own pod. */}}
{{- define "tesk.taskmasterChecksum" -}}
{{- print (include "tesk.settings.taskmaster" .) (include "tesk.executorPod" .) (include "tesk.filerPod" .) | sha256sum -}}
{{- end -}}

{{- define "tesk.filerPod" -}}
{{- $own := .Values.filer -}}
{{- $storage := .Values.storage -}}
{{- $shared := $storage.shared -}}
metadata:
  labels:
    tesk/access-scheduler: "true"
    {{- with $own.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $own.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- /* One pod has one: that of the executors. */}}
  {{- with include "tesk.mayBePods" . | not | not | ternary .Values.executors.serviceAccountName (include "tesk.serviceAccount" (list . "filer")) }}
  serviceAccountName: {{ . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "tesk.podSecurityContext" (list . $own) | nindent 4 }}
  {{- with include "tesk.scheduling" (list . $own) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "tesk.initContainers" $own }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - {{ include "tesk.container" (list . "filer") | nindent 6 | trim }}
      {{- with include "tesk.environmentFrom" $own }}
      {{- . | nindent 6 }}
      {{- end }}
      env:
        - name: HOME
          value: /tmp
        {{- with include "tesk.storageEnvironment" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- include "tesk.egressEnvironment" . | nindent 8 }}
        {{- with include "tesk.accessEnvironment" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- /* Not in the file, which filers of the release before read, too. */}}
        {{- if $own.cache.sizeGb }}
        - name: TESK_FILER_CACHE_BYTES
          value: {{ mul (int64 $own.cache.sizeGb) 1073741824 | quote }}
        - name: TESK_FILER_CACHE_FOLDER
          value: /var/cache/tesk/inputs
        {{- end }}
        {{- include "tesk.environment" (list . $own) | nindent 8 }}
      volumeMounts:
        {{- include "tesk.mounts" $own | nindent 8 }}
        {{- with include "tesk.caMount" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- if and $storage.s3.existingSecret (eq $storage.s3.form "files") }}
        - name: s3
          mountPath: /etc/tesk-storage/s3
          readOnly: true
        {{- end }}
        {{- range $index, $secret := $storage.credentials.existingSecrets }}
        - name: credentials-{{ $index }}
          mountPath: /etc/tesk-storage/credentials/{{ $secret }}
          readOnly: true
        {{- end }}
        {{- if $storage.netrc.existingSecret }}
        - name: netrc
          mountPath: /etc/tesk-storage/netrc
          readOnly: true
        {{- end }}
        {{- if $own.cache.sizeGb }}
        - name: cache
          mountPath: /var/cache/tesk
        {{- end }}
        {{- if $shared.claim }}
        - name: shared
          mountPath: {{ $shared.mountPath }}
          {{- with $shared.subPath }}
          subPath: {{ . }}
          {{- end }}
          readOnly: {{ $shared.readOnly }}
        {{- end }}
  volumes:
    {{- include "tesk.volumes" (list (printf "%s-filer" (include "tesk.fullname" .)) $own) | nindent 4 }}
    {{- with include "tesk.caVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if and $storage.s3.existingSecret (eq $storage.s3.form "files") }}
    - name: s3
      secret:
        secretName: {{ $storage.s3.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- range $index, $secret := $storage.credentials.existingSecrets }}
    - name: credentials-{{ $index }}
      secret:
        secretName: {{ $secret }}
        defaultMode: 0440
    {{- end }}
    {{- with $storage.netrc.existingSecret }}
    - name: netrc
      secret:
        secretName: {{ . }}
        defaultMode: 0440
        items:
          - key: {{ $storage.netrc.key }}
            path: netrc
    {{- end }}
    {{- if $own.cache.sizeGb }}
    - name: cache
      {{- if $own.cache.claim }}
      persistentVolumeClaim:
        claimName: {{ $own.cache.claim }}
      {{- else }}
      hostPath:
        path: {{ $own.cache.hostPath }}
        type: DirectoryOrCreate
      {{- end }}
    {{- end }}
    {{- with $shared.claim }}
    - name: shared
      persistentVolumeClaim:
        claimName: {{ . }}
        readOnly: {{ $shared.readOnly }}
    {{- end }}
{{- end -}}

{{/* "true" if no url may lead to a private network. */}}
{{- define "tesk.refusesPrivate" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled (not $policy.filer.private) (not $policy.filer.extraEgress) }}true{{ end -}}
{{- end -}}

{{/*
Where urls may lead, and how. Not in the settings file, which filers of the release before read, too.
What extraEgress opens is said by selectors: then the NetworkPolicy alone decides.
*/}}
{{- define "tesk.egressEnvironment" -}}
{{- $policy := .Values.networkPolicy -}}
- name: TESK_FILER_LOOPBACK
  value: refuse
{{- with .Values.storage.urls.post }}
- name: TESK_FILER_HTTP_POST
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.filer.allowedNetworks }}
- name: TESK_FILER_ALLOWED_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- if include "tesk.refusesPrivate" . }}
- name: TESK_FILER_REFUSED_NETWORKS
  value: {{ join "," $policy.privateRanges | quote }}
{{- end }}
{{- end -}}

{{/* Files with credentials, and with what servers are known by. Not in the settings file, as above. */}}
{{- define "tesk.accessEnvironment" -}}
{{- $storage := .Values.storage -}}
{{- with $storage.credentials.existingSecrets }}
- name: TESK_FILER_CREDENTIALS
  value: /etc/tesk-storage/credentials/{{ join ":/etc/tesk-storage/credentials/" . }}
{{- end }}
{{- if $storage.sftp.knownHosts }}
- name: TESK_FILER_KNOWN_HOSTS
  value: /etc/tesk/known_hosts
{{- end }}
{{- if $storage.ftps.ca }}
- name: TESK_FILER_FTPS_CA
  value: /etc/tesk/ftps-ca.pem
{{- end }}
{{- end -}}

{{/* Credentials of storages, by reference. */}}
{{- define "tesk.storageEnvironment" -}}
{{- $s3 := .Values.storage.s3 -}}
{{- if and $s3.existingSecret (eq $s3.form "env") -}}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ $s3.existingSecret }}
      key: {{ $s3.accessKeyIdKey }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $s3.existingSecret }}
      key: {{ $s3.secretAccessKeyKey }}
{{- with $s3.sessionTokenKey }}
- name: AWS_SESSION_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ $s3.existingSecret }}
      key: {{ . }}
{{- end }}
{{- else if $s3.existingSecret -}}
- name: AWS_SHARED_CREDENTIALS_FILE
  value: /etc/tesk-storage/s3/credentials
- name: AWS_CONFIG_FILE
  value: /etc/tesk-storage/s3/config
{{- end }}
{{- end -}}

{{- define "tesk.executorPod" -}}
{{- $own := .Values.executors -}}
{{- $pod := dict "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- $container := dict "allowPrivilegeEscalation" false -}}
{{- with .Values.security.fsGroup -}}
{{- $pod = merge $pod (dict "fsGroup" . "fsGroupChangePolicy" "OnRootMismatch") -}}
{{- end -}}
{{- if eq $own.podSecurity "restricted" -}}
{{- $pod = merge $pod (dict "runAsNonRoot" true) -}}
{{- $container = merge $container (dict "capabilities" (dict "drop" (list "ALL"))) -}}
{{- else if $own.capabilities.drop -}}
{{- $container = merge $container (dict "capabilities" (pick $own.capabilities "drop")) -}}
{{- end -}}
{{- $disk := $own.resources.ephemeralStorage -}}
{{- $resources := dict -}}
{{- with $disk.request }}{{ $_ := set $resources "requests" (dict "ephemeral-storage" .) }}{{ end -}}
{{- with $disk.limit }}{{ $_ := set $resources "limits" (dict "ephemeral-storage" .) }}{{ end -}}
metadata:
  {{- with $own.podLabels }}
  labels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $own.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if kindIs "bool" $own.hostUsers }}
  hostUsers: {{ $own.hostUsers }}
  {{- end }}
  securityContext:
    {{- mergeOverwrite $pod $own.podSecurityContext | toYaml | nindent 4 }}
  {{- with include "tesk.scheduling" (list . $own) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "tesk.initContainers" $own }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: main
      {{- with $own.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      securityContext:
        {{- mergeOverwrite $container $own.securityContext | toYaml | nindent 8 }}
      {{- with $resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "tesk.environmentFrom" $own }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $own.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.extraVolumeMounts }}
      volumeMounts:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- with $own.extraVolumes }}
  volumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
