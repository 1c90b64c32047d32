#!/usr/bin/env bash
# A client as its user wrote it: curl and jq in bash. Reads are retried, the submission is sent once, the key is in a file.
set -euo pipefail
umask 077
api="$CRUN_URL/api/v1/client/job"
printf 'x-api-key: %s\n' "$CRUN_KEY" > key.header

log() { printf '%s\n' "$*" >&2; }

# Prints the body's code and data; 000 if there is no envelope.
call() {
  local body
  body=$(curl -sS --max-time 60 -H @key.header "$@" 2>>curl.log) || body=
  [[ -n $body ]] && jq -e 'if type == "object" and has("code") then . else error("no envelope") end' <<<"$body" 2>/dev/null || echo '{"code": 0}'
}

code_of() { jq -r .code <<<"$1"; }

if [[ -s task ]]; then
  task=$(<task)
elif [[ -e attempted ]]; then
  log "an earlier submission was not answered: look it up in the console"
  exit 4
else
  touch attempted
  order=$(jq -n --arg image "$IMAGE" --arg face "$FACE" '{model: "image-face-swap", input: {image_url: $image, new_face: $face}}')
  for pause in 5 20 60 0; do
    answer=$(call -H 'Content-Type: application/json' --data "$order" "$api/CreateTask")
    case $(code_of "$answer") in
      200) break ;;
      429 | 455) (( pause )) || break; sleep "$pause" ;;
      *) break ;;
    esac
  done
  case $(code_of "$answer") in
    200) task=$(jq -er .data.task_id <<<"$answer"); echo "$task" > task ;;
    0 | 500 | 501) log "no usable answer to the submission"; exit 4 ;;
    *) rm attempted; log "refused: $(jq -r .message <<<"$answer")"; exit 1 ;;
  esac
fi

bad=0
for _ in $(seq 60); do
  answer=$(call --get --data-urlencode "task_id=$task" "$api/TaskInfo")
  case $(code_of "$answer") in
    200) bad=0 ;;
    0 | 404 | 408 | 429 | 455 | 500 | 501 | 502 | 503 | 504) (( ++bad < 6 )) || { log "task $task: no answer"; exit 4; }; sleep $((bad * 3)); continue ;;
    *) log "task $task: $(jq -r .message <<<"$answer")"; exit 4 ;;
  esac
  case $(jq -r .data.status <<<"$answer") in
    success)
      link=$(jq -er '.data.result.media_urls[0]' <<<"$answer") || { log "task $task has no media"; exit 4; }
      kind=$(curl -sSf --max-time 60 --retry 3 -o part -w '%{content_type}' "$link") || { log "$link cannot be fetched"; exit 4; }
      [[ $kind == image/* && -s part ]] || { log "$link is no picture"; exit 4; }
      mv part swapped.png
      echo done
      exit 0 ;;
    failed) log "task $task failed"; exit 1 ;;
  esac
  sleep 4
done
log "task $task takes too long"
exit 4
