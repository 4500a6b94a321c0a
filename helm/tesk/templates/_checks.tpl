{{/* Combinations that cannot work, each with its cure. */}}

{{- define "tesk.checks" -}}
{{- $v := .Values -}}
{{- $sqlite := eq $v.database.type "sqlite" -}}
{{- if and $sqlite (gt (include "tesk.replicas" $v.scheduler | int) 1) -}}
{{- fail "scheduler.replicas > 1 needs a database that they can share: set database.type to postgresql, or scheduler.replicas to 1." -}}
{{- end -}}
{{- if and (not $sqlite) (not $v.database.postgresql.existingSecret) -}}
{{- fail "database.type postgresql needs its url: set database.postgresql.existingSecret to a Secret with the key database.postgresql.urlKey." -}}
{{- end -}}
{{- if and $sqlite $v.database.postgresql.existingSecret -}}
{{- fail "database.postgresql.existingSecret is not used with SQLite: set database.type to postgresql, or leave the Secret out." -}}
{{- end -}}
{{- if $v.api.autoscaling.enabled -}}
{{- if not (dig "requests" "cpu" "" (default (dict) $v.api.resources)) -}}
{{- fail "api.autoscaling compares load with requests: set api.resources.requests.cpu." -}}
{{- end -}}
{{- if gt (int $v.api.autoscaling.minReplicas) (int $v.api.autoscaling.maxReplicas) -}}
{{- fail "api.autoscaling.minReplicas is above maxReplicas: lower it, or raise maxReplicas." -}}
{{- end -}}
{{- end -}}
{{- range $service := list "api" "scheduler" -}}
{{- $budget := (get $v $service).podDisruptionBudget -}}
{{- if and $budget.enabled (not (kindIs "invalid" $budget.maxUnavailable)) (not (kindIs "invalid" $budget.minAvailable)) -}}
{{- fail (printf "%s.podDisruptionBudget takes one of minAvailable and maxUnavailable: set maxUnavailable to null." $service) -}}
{{- end -}}
{{- if and $budget.enabled (kindIs "invalid" $budget.maxUnavailable) (kindIs "invalid" $budget.minAvailable) -}}
{{- fail (printf "%s.podDisruptionBudget says nothing: set minAvailable or maxUnavailable, or enabled to false." $service) -}}
{{- end -}}
{{- end -}}
{{- if and $v.webhooks.ofTasks (not $v.webhooks.existingSecret) -}}
{{- fail "webhooks.ofTasks needs to know what tasks may name: set webhooks.existingSecret to a Secret with the key webhooks.yaml." -}}
{{- end -}}
{{- include "tesk.checks.access" . -}}
{{- include "tesk.checks.tasks" . -}}
{{- include "tesk.checks.pods" . -}}
{{- include "tesk.checks.storageChecks" . -}}
{{- end -}}

{{- define "tesk.checks.access" -}}
{{- $v := .Values -}}
{{- if and $v.auth.existingSecret (eq $v.auth.mode "none") -}}
{{- fail "auth.existingSecret is set, but auth.mode is none, which lets everybody in: set auth.mode to basic, or leave the Secret out." -}}
{{- end -}}
{{- if and (eq $v.auth.mode "basic") (not $v.auth.existingSecret) -}}
{{- fail "auth.mode basic needs users: set auth.existingSecret to a Secret with the key auth.usersKey." -}}
{{- end -}}
{{- if and $v.auth.adminGroup (not $v.auth.groupsKey) -}}
{{- fail "auth.adminGroup needs groups: set auth.groupsKey to the key of the Secret with the groups." -}}
{{- end -}}
{{- if and $v.ingress.enabled (kindIs "map" $v.ingress.tls) (include "tesk.ingressTls" .) (not $v.ingress.tls.secretName) -}}
{{- fail "ingress.tls needs a certificate: set ingress.tls.secretName." -}}
{{- end -}}
{{- if and (include "tesk.ingressTls" .) (not $v.ingress.enabled) -}}
{{- fail "ingress.tls has no effect without an Ingress: set ingress.enabled to true." -}}
{{- end -}}
{{- if and $v.internalToken.value $v.internalToken.existingSecret -}}
{{- fail "internalToken takes one of value and existingSecret: leave one out." -}}
{{- end -}}
{{- if $v.tls.enabled -}}
{{- if and (not $v.tls.existingSecret) (not $v.tls.certManager.enabled) -}}
{{- fail "tls.enabled needs a certificate: set tls.existingSecret, or tls.certManager.enabled to true." -}}
{{- end -}}
{{- if and $v.tls.existingSecret $v.tls.certManager.enabled -}}
{{- fail "tls takes one of existingSecret and certManager.enabled: leave one out." -}}
{{- end -}}
{{- if and (include "tesk.tasksElsewhere" .) (not $v.tls.caBundle) -}}
{{- fail "tls.enabled with taskNamespaces other than the release's needs the authority there: set tls.caBundle." -}}
{{- end -}}
{{- else if or $v.tls.existingSecret $v.tls.certManager.enabled -}}
{{- fail "a certificate is given, but tls.enabled is false: set it to true." -}}
{{- end -}}
{{- end -}}

{{- define "tesk.checks.tasks" -}}
{{- $v := .Values -}}
{{- if and $v.placement.gpu.claims (not (semverCompare ">=1.34-0" .Capabilities.KubeVersion.Version)) -}}
{{- fail (printf "placement.gpu.claims needs resource.k8s.io/v1, which Kubernetes %s has not: leave them out, and set placement.gpu.types." .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $v.taskNamespaces (not $v.rbac.create) -}}
{{- fail "taskNamespaces needs rights in each of them: set rbac.create to true." -}}
{{- end -}}
{{- range $service := list "api" "scheduler" "taskmaster" "filer" -}}
{{- if eq (toString (get $v $service).podSecurityContext.runAsUser) "0" -}}
{{- fail (printf "%s.podSecurityContext.runAsUser: TESK's own pods are nobody's root: leave it out." $service) -}}
{{- end -}}
{{- end -}}
{{- range $service := list "scheduler" "taskmaster" -}}
{{- $account := (get $v $service).serviceAccount -}}
{{- if and (not $account.create) (not $account.name) -}}
{{- fail (printf "%s.serviceAccount.create is false: set %s.serviceAccount.name to one that exists." $service $service) -}}
{{- end -}}
{{- end -}}
{{- range $service := list "api" "scheduler" "taskmaster" "filer" "executors" -}}
{{- range concat (get $v $service).initContainers (default (list) (get $v $service).extraContainers) -}}
{{- if eq .name "main" -}}
{{- fail (printf "%s: main is the container of TESK: give the one that is added another name." $service) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := (get $v $service).podLabels -}}
{{- if or (hasPrefix "tesk/" $key) (hasPrefix "app.kubernetes.io/" $key) -}}
{{- fail (printf "%s.podLabels: %s is a label of TESK: choose another name." $service $key) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := (get $v $service).podAnnotations -}}
{{- if and (has $key (list "checksum/settings" "checksum/token" "checksum/secrets")) (has $service (list "api" "scheduler" "taskmaster")) -}}
{{- fail (printf "%s.podAnnotations: %s is an annotation of TESK: choose another name." $service $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.storage.s3.anonymous $v.storage.s3.existingSecret -}}
{{- fail "storage.s3 takes one of anonymous and existingSecret: leave one out." -}}
{{- end -}}
{{- $cache := $v.filer.cache -}}
{{- if and $cache.claim $cache.hostPath -}}
{{- fail "filer.cache takes one of claim and hostPath: leave one out." -}}
{{- end -}}
{{- if and $cache.claim (eq $cache.claim $v.storage.shared.claim) -}}
{{- fail "filer.cache.claim is storage.shared.claim, which a pod cannot have twice: name another claim." -}}
{{- end -}}
{{- if and (or $cache.claim $cache.hostPath) (not $cache.sizeGb) -}}
{{- fail "filer.cache is off: set filer.cache.sizeGb." -}}
{{- end -}}
{{- if and $cache.sizeGb (not (or $cache.claim $cache.hostPath)) -}}
{{- fail "filer.cache.sizeGb needs a place: set filer.cache.claim or filer.cache.hostPath." -}}
{{- end -}}
{{- if and $v.storage.shared.urlPrefix (not $v.storage.shared.claim) -}}
{{- fail "storage.shared.urlPrefix needs a volume: set storage.shared.claim." -}}
{{- end -}}
{{- if and $v.placement.gpu.types (not (gt (int $v.placement.gpu.most) 0)) -}}
{{- fail "placement.gpu.types has no effect while nobody may ask for a GPU: set placement.gpu.most." -}}
{{- end -}}
{{- if and (eq $v.executors.podSecurity "restricted") (eq (toString $v.executors.podSecurityContext.runAsUser) "0") -}}
{{- fail "executors.podSecurity restricted does not let anybody be root: leave out executors.podSecurityContext.runAsUser 0." -}}
{{- end -}}
{{- range $limit := list "everybody" "perTask" "per_task" "capacity" -}}
{{- $given := get $v.quota $limit -}}
{{- $given = ternary $given dict (kindIs "map" $given) -}}
{{- range $path, $amounts := dict $limit $given (printf "%s.max" $limit) (get $given "max") -}}
{{- if kindIs "map" $amounts -}}
{{- range $amount := list "running" "queued" "cpu" "ramGb" "ram_gb" -}}
{{- if eq (toString (get $amounts $amount)) "0" -}}
{{- fail (printf "quota.%s.%s: 0 would let no task run at all: leave it out; quota.users can stop users." $path $amount) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}


{{/* What executors would get from filers if they shared a pod, by the setting or by layoutsAllowed. */}}
{{- define "tesk.checks.pods" -}}
{{- if include "tesk.mayBePods" . -}}
{{- $v := .Values -}}
{{- $pod := $v.taskmaster.pod -}}
{{- $network := $v.networkPolicy -}}
{{- $executors := $network.executors -}}
{{- if and $network.enabled (not (or $executors.internet $executors.private $executors.extraEgress)) -}}
{{- fail "networkPolicy.executors opens no network, and in one pod executors reach what filers reach: set networkPolicy.executors.internet to true, or leave taskmaster.layout at jobs." -}}
{{- end -}}
{{- if $network.filer.metadata -}}
{{- fail "networkPolicy.filer.metadata would let executors in one pod get the filers' credentials: set it to false, or leave taskmaster.layout at jobs." -}}
{{- end -}}
{{- if $v.filer.serviceAccount.annotations -}}
{{- fail "filer.serviceAccount.annotations would be those of executors in one pod: leave them out, or leave taskmaster.layout at jobs." -}}
{{- end -}}
{{- if and $v.filer.serviceAccount.name (ne $v.filer.serviceAccount.name $v.executors.serviceAccountName) -}}
{{- fail "filer.serviceAccount.name would be that of executors in one pod: leave it out, or set executors.serviceAccountName to the same, or leave taskmaster.layout at jobs." -}}
{{- end -}}
{{- range $field := list "podLabels" "podAnnotations" -}}
{{- $own := get $v.executors $field -}}
{{- range $key, $value := get $v.filer $field -}}
{{- $ofNodes := or (hasPrefix "cluster-autoscaler.kubernetes.io/" $key) (hasPrefix "karpenter.sh/" $key) -}}
{{- if and (not $ofNodes) (ne $value (get $own $key | toString)) -}}
{{- fail (printf "filer.%s: %s would hold for executors in one pod: set executors.%s to the same, leave it out, or leave taskmaster.layout at jobs." $field $key $field) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $field := list "affinity" "priorityClassName" "schedulerName" -}}
{{- $theirs := get $v.filer $field -}}
{{- if and $theirs (ne (toJson $theirs) (toJson (get $v.executors $field))) -}}
{{- fail (printf "filer.%s would hold for executors in one pod: set executors.%s to the same, leave it out, or leave taskmaster.layout at jobs." $field $field) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $pod.volume "memory") (not $pod.maxDiskGb) -}}
{{- fail "taskmaster.pod.volume memory lets a task take the memory of a node: set taskmaster.pod.maxDiskGb." -}}
{{- end -}}
{{- end -}}
{{- end -}}
