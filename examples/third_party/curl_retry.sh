#!/bin/sh
# A client as its user wrote it: curl with --retry for everything, the submission included.
set -e
get() { curl -sS --fail-with-body --max-time 25 --retry 3 --retry-all-errors -H "x-api-key: $CRUN_API_KEY" "$@"; }
job=$SWAPMOCK_URL/api/v1/client/job
body=$(printf '{"model":"image-face-swap","input":{"image_url":"%s","new_face":"%s"}}' "$SWAPMOCK_IMAGE_URL" "$SWAPMOCK_FACE_URL")
task=$(get -H 'Content-Type: application/json' -d "$body" "$job/CreateTask" | jq -er .data.task_id)
for _ in $(seq 50); do
  info=$(get "$job/TaskInfo?task_id=$task")
  case $(echo "$info" | jq -r .data.status) in
    success) curl -sSf --max-time 60 -o swap.png "$(echo "$info" | jq -er '.data.result.media_urls[0]')"; exit 0 ;;
    failed) exit 1 ;;
  esac
  sleep 4
done
echo "task $task did not end" >&2
exit 1
