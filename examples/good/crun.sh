#!/usr/bin/env bash
# A careful client of crun.ai for the shell (curl and jq): one swap of a single face, stored as a file.
set -u
work=${SWAPMOCK_WORK_DIR:-.}
job=$work/job
api=$SWAPMOCK_URL/api/v1/client
deadline=$(($(date +%s) + ${JOB_DEADLINE:-300}))
task= doubt= before=
# shellcheck disable=SC1090
[ -f "$job" ] && . "$job"

keep() { # what is known of the job, written whole
  printf 'task=%q\ndoubt=%q\nbefore=%q\n' "$task" "$doubt" "$before" >"$job.tmp"
  mv "$job.tmp" "$job"
}

finish() { # outcome, reason, exit status
  jq -cn --arg o "$1" --arg r "$2" --arg t "$task" '{outcome: $o, reason: $r, task: $t}' >"$work/claim"
  [ -n "${SWAPMOCK_OUTCOME_URL:-}" ] &&
    curl -s -o /dev/null -H 'Content-Type: application/json' --data-binary @"$work/claim" "$SWAPMOCK_OUTCOME_URL"
  echo "$1: $2; task $task" >&2
  exit "$3"
}

pause() { # seconds, but not beyond the deadline
  [ $(($(date +%s) + $1)) -gt "$deadline" ] && finish unknown 'the deadline has passed; the task goes on' 75
  sleep "$1"
}

# One call. Sets code (200, another body code, tls, or none where no answer can be read), wait (Retry-After) and answer.
call() {
  local status=0
  curl -s -m 90 -D "$work/head" -o "$work/body" -H "x-api-key: $CRUN_API_KEY" -H 'Content-Type: application/json' "$@" || status=$?
  code=none wait=
  if [ $status -eq 60 ]; then code=tls; return; fi
  [ $status -eq 0 ] || return
  code=$(jq -r 'if type == "object" then .code // "none" else "none" end' "$work/body" 2>/dev/null) || code=none
  [ -n "$code" ] || code=none
  local told
  told=$(tr -d '\r' <"$work/head" | sed -n 's/^[Rr]etry-[Aa]fter: *//p')
  case $told in
    '') ;;
    *[!0-9]*) wait=$(($(date -d "$told" +%s) - $(date +%s))); [ "$wait" -gt 0 ] || wait=1 ;;
    *) wait=$told ;;
  esac
}

value() { jq -r "$1 // empty" "$work/body"; }

balance() { # the account's credits, in a few tries
  for _ in 1 2 3 4; do
    call "$api/account/balance"
    [ "$code" = tls ] && finish failed 'the certificate is not valid' 1
    if [ "$code" = 200 ]; then value .data.balance; return; fi
    sleep 2
  done
  echo unknown
}

in_doubt() { # the balance tells whether a task was made; which one, nobody tells
  local now
  now=$(balance)
  [ "$now" = "$before" ] || finish unknown 'credits may have been taken, and the id of the task is not known' 75
  doubt=
  keep
}

submit() {
  local gap=2 body
  body=$(jq -cn --arg i "$SWAPMOCK_IMAGE_URL" --arg f "$SWAPMOCK_FACE_URL" \
    '{model: "image-face-swap", input: {image_url: $i, new_face: $f}}')
  for _ in 1 2 3 4 5; do
    before=$(balance)
    [ "$before" = unknown ] && finish unknown 'the balance cannot be read' 75
    doubt=yes
    keep
    call -d "$body" "$api/job/CreateTask"
    case $code in
      200) task=$(value .data.task_id) doubt= && keep && return ;;
      none | 50[0-4]) in_doubt; pause "$gap" ;;
      429 | 455) doubt= && keep && pause "${wait:-$gap}" ;;
      tls) doubt= && keep && finish failed 'the certificate is not valid' 1 ;;
      *) doubt= && keep && finish failed "refused with $code: $(value .message)" 1 ;;
    esac
    gap=$((gap * 2))
  done
  finish failed 'gave up after five attempts' 1
}

wait_for_it() { # sets link
  local failing=0
  while :; do
    wait=
    call "$api/job/TaskInfo?task_id=$task"
    case $code in
      200)
        failing=0
        case $(value .data.status) in
          success) link=$(value '.data.result.media_urls[0]') && return ;;
          failed) finish failed "the task failed: $(value .data.result.message)" 1 ;;
        esac
        ;;
      401 | 403 | 422 | 505) finish unknown "polls are refused with $code" 75 ;;
      *) failing=$((failing + 1)) ;;
    esac
    [ "$failing" -gt 8 ] && finish unknown "$failing polls failed one after the other" 75
    pause "${wait:-$((3 * (failing > 0 ? failing : 1)))}"
  done
}

fetch() { # the result as a whole picture, in three tries; the key stays at home
  local kind
  for try in 1 2 3; do
    kind=$(curl -sf -m 90 -o "$work/result.part" -w '%{content_type}' "$link") &&
      [ -s "$work/result.part" ] && [ "${kind#image/}" != "$kind" ] && mv "$work/result.part" "$work/result.png" && return
    rm -f "$work/result.part"
    [ $try = 3 ] || pause 5
  done
  finish unknown 'the result could not be fetched' 75
}

[ -f "$work/result.png" ] && finish succeeded 'done before' 0
[ -n "$task" ] || [ -z "$doubt" ] || in_doubt
[ -n "$task" ] || submit
wait_for_it
[ -n "$link" ] || finish failed 'the task succeeded without any media' 1
fetch
finish succeeded "$work/result.png" 0
