#!/bin/sh
# Formats where that was not done, and starts, with the file that is mounted.
set -eu
file=/mnt/shared/config/server.properties
java="/opt/java/bin/java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
$java -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted \
    --cluster-id="$CLUSTER_ID" --config "$file"
# shellcheck disable=SC2086 # several options
exec $java $KAFKA_HEAP_OPTS -XX:+UseSerialGC -cp '/opt/kafka/libs/*' kafka.Kafka "$file"
