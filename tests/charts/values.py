"""Values that sites would give: each renders, and its render is reviewed."""

from typing import Any

SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "high-availability": {
        "api": {
            "autoscaling": {"enabled": True, "maxReplicas": 6},
            "podDisruptionBudget": {"maxUnavailable": None, "minAvailable": "50%"},
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                }
            ],
            "priorityClassName": "services",
        },
        "scheduler": {"replicas": 2, "nodeSelector": {"pool": "services"}},
        "database": {
            "type": "postgresql",
            "postgresql": {"existingSecret": "tesk-database"},
        },
        "networkPolicy": {"api": {"from": [{"podSelector": {}}]}},
    },
    "openshift": {
        "security": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "route": {"enabled": True, "host": "tesk.example.org"},
        "executors": {"podSecurity": "restricted"},
    },
    "storage-checks": {
        "storageChecks": {"enabled": True, "replicas": 2, "urlsPerMinute": 3000},
        "storage": {"credentials": {"existingSecrets": ["lab"]}},
        "tls": {"enabled": True, "certManager": {"enabled": True}},
    },
    "webhooks": {
        "webhooks": {"existingSecret": "hooks", "ofTasks": True},
        "networkPolicy": {"scheduler": {"webhooks": {"private": True}}},
    },
    "google-cloud": {
        "ingress": {
            "enabled": True,
            "className": "gce",
            "controller": "gke",
            "hosts": ["tesk.example.org"],
        },
        "api": {"service": {"annotations": {"team": "science"}}},
    },
    "cert-manager": {"tls": {"enabled": True, "certManager": {"enabled": True}}},
    "task-namespaces-with-tls": {
        "taskNamespaces": ["tasks-a", "tasks-b"],
        "tls": {
            "enabled": True,
            "existingSecret": "scheduler-certificate",
            "caBundle": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        },
        "images": {"registry": "registry.example.org/tesk", "pullSecrets": ["pull"]},
        "uninstall": {"runningTasks": "keep", "database": "keep"},
    },
    "storages": {
        "references": {
            "grch38": {"claim": "genomes", "subPath": "human/grch38"},
            "silva": {"claim": "databases"},
        },
        "filer": {"cache": {"sizeGb": 500, "claim": "inputs"}},
        "storage": {
            "s3": {
                "endpoint": "https://s3.example.org",
                "region": "eu-1",
                "existingSecret": "s3",
                "sessionTokenKey": "session",
            },
            "netrc": {"existingSecret": "netrc"},
            "credentials": {"existingSecrets": ["archives", "lab.example.org"]},
            "sftp": {"knownHosts": "archive.example.org ssh-ed25519 AAAAC3Nz\n"},
            "ftps": {"ca": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END …\n"},
            "shared": {
                "claim": "shared-files",
                "subPath": "science",
                "urlPrefix": "file:///data/science",
            },
        },
        "networkPolicy": {
            "filer": {
                "private": True,
                "metadata": True,
                "extraEgress": [{"to": [{"podSelector": {"matchLabels": {"a": "b"}}}]}],
            }
        },
    },
    "aws-files": {"storage": {"s3": {"existingSecret": "aws", "form": "files"}}},
    "users": {
        "auth": {
            "mode": "basic",
            "existingSecret": "people",
            "groupsKey": "groups",
            "adminGroup": "admins",
        },
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "controller": "nginx",
            "hosts": ["tesk.example.org"],
            "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
            "tls": {"enabled": True, "secretName": "tesk-https"},
        },
        "quota": {
            "everybody": {"running": 5000000},
            "users": {"*": {"running": 50, "cpu": 100}, "alice": {}},
            "perTask": {"ramGb": 512.5},
            "capacity": {"cpu": 2000},
            "reserveAfter": 300,
        },
        "test": {"existingSecret": "test-user"},
    },
    "placement": {
        "placement": {
            "preemptible": {
                "nodeSelector": {"spot": "true"},
                "tolerations": [{"key": "spot", "operator": "Exists"}],
            },
            "pools": {"large": {"nodeSelector": {"size": "large"}}, "small": {}},
            "gpu": {
                "most": 4,
                "types": {"a100": "NVIDIA-A100-SXM4-40GB"},
                "claims": {"h100": "one-h100", "*": "one-gpu"},
            },
            "priorityClasses": ["low", "high"],
            "runtimeClasses": ["gvisor"],
            "queue": "science",
            "queues": ["science", "urgent"],
            "groupQueues": {"Genomics Lab": "genomics"},
        },
        "executors": {
            "podLabels": {"team": "science"},
            "tolerations": [{"key": "tasks", "operator": "Exists"}],
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "affinity": {"podAntiAffinity": {}},
            "hostUsers": False,
            "schedulerName": "volcano",
            "resources": {"cpuLimitRatio": 2, "ephemeralStorage": {"limit": "20Gi"}},
            "podSecurityContext": {"runAsUser": 1000},
            "securityContext": {"readOnlyRootFilesystem": True},
            "extraEnv": [{"name": "LANG", "value": "C"}],
            "extraVolumes": [
                {"name": "reference", "persistentVolumeClaim": {"claimName": "genomes"}}
            ],
            "extraVolumeMounts": [
                {"name": "reference", "mountPath": "/reference", "readOnly": True}
            ],
        },
        "taskVolumes": {"storageClass": "fast", "accessMode": "ReadWriteMany"},
        "timeLimits": {"scheduleSeconds": 86400},
        "taskmaster": {"tasksPerPod": 1, "idleSeconds": 0},
    },
    "one-pod": {
        "taskmaster": {
            "layout": "auto",
            "layoutsAllowed": ["jobs", "pod"],
            "pod": {"order": "sequence", "volume": "memory", "maxDiskGb": 8},
        },
        "executors": {"podLabels": {"team": "science"}, "serviceAccountName": "tasks"},
        "filer": {
            "podLabels": {"team": "science"},
            "podAnnotations": {"karpenter.sh/do-not-disrupt": "false"},
        },
        "networkPolicy": {
            "filer": {"private": True},
            "executors": {
                "extraEgress": [{"to": [{"podSelector": {"matchLabels": {"a": "b"}}}]}]
            },
        },
    },
    "monitoring": {
        "tracing": {"endpoint": "http://collector.monitoring:4318/v1/traces"},
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True},
            "dashboard": {"enabled": True, "annotations": {"folder": "Science"}},
        },
        "networkPolicy": {
            "executors": {"dns": False, "internet": False},
            "filer": {"internet": False},
        },
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "{{ .Release.Name }}-more"},
                "data": {"a": "b"},
            }
        ],
    },
    "open": {
        "networkPolicy": {"enabled": False},
        "rbac": {"create": False},
        "internalToken": {"existingSecret": "token"},
        "log": {"level": "debug", "format": "text"},
        "scheduler": {
            "serviceAccount": {"create": False, "name": "somebody"},
            "podDisruptionBudget": {"enabled": False},
            "reflection": True,
        },
        "api": {
            "service": {"type": "NodePort", "nodePort": 30080},
            "image": {"digest": "sha256:" + "0" * 64, "registry": "other.example.org"},
            "extraEnv": [{"name": "TESK_LOG_LEVEL", "value": "warning"}],
        },
        "database": {"sqlite": {"existingClaim": "old-database"}},
    },
    "sidecars": {
        "global": {
            "imageRegistry": "registry.example.org",
            "imagePullSecrets": ["pull"],
        },
        "database": {
            "type": "postgresql",
            "postgresql": {"existingSecret": "tesk-database"},
        },
        "scheduler": {
            "initContainers": [
                {
                    "name": "cloud-sql-proxy",
                    "image": "cloud-sql-proxy:2",
                    "restartPolicy": "Always",
                    "args": ["--private-ip", "project:region:instance"],
                    "securityContext": {
                        "runAsNonRoot": True,
                        "readOnlyRootFilesystem": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
            "serviceAccount": {"annotations": {"iam.gke.io/gcp-service-account": "a"}},
            "startupProbe": {"failureThreshold": 600},
        },
        "api": {
            "replicaCount": 3,
            "extraEnvFrom": [{"configMapRef": {"name": "proxy"}}],
            "podSecurityContext": {"supplementalGroups": [4000]},
        },
        "commonAnnotations": {"owner": "platform@example.org"},
        "ingress": {
            "enabled": True,
            "hosts": [{"host": "a.example.org", "paths": [{"path": "/ga4gh"}]}],
            "tls": [{"secretName": "a", "hosts": ["a.example.org"]}],
        },
        "executors": {"podDisruptionBudget": {"enabled": True}},
    },
}
