{{- define "tradepulse.name" -}}
{{ .root.Release.Name }}-{{ .name | replace "_" "-" }}
{{- end }}

{{- define "tradepulse.labels" -}}
app.kubernetes.io/part-of: tradepulse
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/name: {{ .name }}
{{- end }}

{{- define "tradepulse.image" -}}
{{ .root.Values.image.repository }}/{{ .image }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- /* A value in which {{ .name }} stands for the service: a user and a secret for each. */ -}}
{{- define "tradepulse.of" -}}
{{ tpl .value (dict "name" .name "Template" .root.Template) }}
{{- end }}

{{- /* What every pod of ours has: no rights, nothing to write but /tmp. */ -}}
{{- define "tradepulse.pod" -}}
{{- $values := .root.Values -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      medium: Memory
      sizeLimit: 256Mi
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        - secret:
            name: {{ include "tradepulse.of" (dict "root" .root "value" $values.database.secret "name" (.database | default .name)) }}
            items:
              - {key: password, path: database_password}
        {{- if ne $values.kafka.securityProtocol "PLAINTEXT" }}
        - secret:
            name: {{ include "tradepulse.of" (dict "root" .root "value" $values.kafka.secret "name" (.kafka | default .name)) }}
            items:
              - {key: password, path: kafka_password}
              - {key: ca.crt, path: ca_certificates}
        {{- end }}
        {{- if .page }}
        - secret:
            name: {{ $values.page.secret }}
            items:
              - {key: token, path: studio_token}
        {{- end }}
{{- end }}

{{- define "tradepulse.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: secrets
    mountPath: /run/secrets
    readOnly: true
{{- end }}

{{- define "tradepulse.env" -}}
{{- $values := .root.Values -}}
- name: DATABASE_URL
  value: {{ include "tradepulse.of" (dict "root" .root "value" $values.database.url "name" (.database | default .name)) | quote }}
- name: DATABASE_PASSWORD_FILE
  value: /run/secrets/database_password
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ $values.kafka.bootstrapServers | quote }}
- name: KAFKA_REPLICATION_FACTOR
  value: {{ $values.kafka.replicationFactor | quote }}
- name: KAFKA_SECURITY_PROTOCOL
  value: {{ $values.kafka.securityProtocol | quote }}
{{- if ne $values.kafka.securityProtocol "PLAINTEXT" }}
- name: KAFKA_SASL_MECHANISM
  value: {{ $values.kafka.saslMechanism | quote }}
- name: KAFKA_USERNAME
  value: {{ include "tradepulse.of" (dict "root" .root "value" $values.kafka.username "name" (.kafka | default .name)) | quote }}
- name: KAFKA_PASSWORD_FILE
  value: /run/secrets/kafka_password
- name: KAFKA_CA_FILE
  value: /run/secrets/ca_certificates
{{- end }}
{{- end }}
