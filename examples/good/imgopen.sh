#!/usr/bin/env bash
# A careful client of Img Open for the shell (curl and jq): one swap of a single face, stored as a file.
set -u
work=${SWAPMOCK_WORK_DIR:-.}
job=$work/job
tool=$SWAPMOCK_URL/AIGCImgOpenServ/saas/tool
deadline=$(($(date +%s) + ${JOB_DEADLINE:-300}))
id= state=new
# shellcheck disable=SC1090
[ -f "$job" ] && . "$job"
[ -n "$id" ] || id=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')

keep() { # state: new, doubt (sent, no answer read), made
  state=$1
  printf 'id=%q\nstate=%q\n' "$id" "$state" >"$job.tmp"
  mv "$job.tmp" "$job"
}

finish() { # outcome, reason, exit status
  jq -cn --arg o "$1" --arg r "$2" --arg t "$id" '{outcome: $o, reason: $r, task: $t}' >"$work/claim"
  [ -n "${SWAPMOCK_OUTCOME_URL:-}" ] &&
    curl -s -o /dev/null -H 'Content-Type: application/json' --data-binary @"$work/claim" "$SWAPMOCK_OUTCOME_URL"
  echo "$1: $2; task $id" >&2
  exit "$3"
}

pause() { # seconds, but not beyond the deadline
  [ $(($(date +%s) + $1)) -gt "$deadline" ] && finish unknown 'the deadline has passed; the task goes on' 75
  sleep "$1"
}

# One call. Sets code ("200", another body code, tls, or none where no answer can be read) and wait (Retry-After).
call() { # path, body
  local status=0 told
  curl -s -m 90 -D "$work/head" -o "$work/body" -H "X-Request-req-accessKeyId: $IMGOPEN_ACCESS_KEY_ID" \
    -H "X-Request-req-accessKeySecret: $IMGOPEN_ACCESS_KEY_SECRET" -H 'Content-Type: application/json' -d "$2" "$tool/$1" || status=$?
  code=none wait=
  if [ $status -eq 60 ]; then code=tls; return; fi
  [ $status -eq 0 ] || return
  code=$(jq -r 'if type == "object" then .code // "none" else "none" end' "$work/body" 2>/dev/null) || code=none
  [ -n "$code" ] || code=none
  told=$(tr -d '\r' <"$work/head" | sed -n 's/^[Rr]etry-[Aa]fter: *//p')
  case $told in
    '') ;;
    *[!0-9]*) wait=$(($(date -d "$told" +%s) - $(date +%s))); [ "$wait" -gt 0 ] || wait=1 ;;
    *) wait=$told ;;
  esac
}

value() { jq -r "$1 // empty" "$work/body"; }

query() { call v2/roop/queryTask "{\"businessTaskId\": \"$id\"}"; }

look_for_it() { # our own id tells whether the submission arrived
  for _ in 1 2 3 4; do
    pause 2
    query
    case $code in
      200) keep made && return ;;
      none | 50[0-4] | 429) ;;
      *) keep new && return ;;
    esac
  done
  finish unknown 'nobody answers whether the swap was taken' 75
}

submit() {
  local gap=2 body
  body=$(jq -cn --arg b "$id" --arg s "$SWAPMOCK_FACE_URL" --arg t "$SWAPMOCK_IMAGE_URL" \
    '{businessTaskId: $b, sourceUrl: $s, targetUrl: $t}')
  for _ in 1 2 3 4 5; do
    keep doubt
    call v2/roop "$body"
    case $code in
      200) keep made && return ;;
      none | 500 | 501 | 502 | 504) look_for_it; [ $state = made ] && return; pause "$gap" ;;
      429 | 503) keep new && pause "${wait:-$gap}" ;;
      tls) keep new && finish failed 'the certificate is not valid' 1 ;;
      *) keep new && finish failed "refused with $code: $(value .msg)" 1 ;;
    esac
    gap=$((gap * 2))
  done
  finish failed 'gave up after five attempts' 1
}

wait_for_it() { # sets link
  local failing=0
  while :; do
    query
    case $code in
      200)
        failing=0
        case $(value .data.status) in
          2) link=$(value .data.outputImageUrl) && return ;;
          4) finish failed "the task failed: $(value .data.errorMessage)" 1 ;;
        esac
        ;;
      400 | 401 | 403) finish unknown "polls are refused with $code" 75 ;;
      *) failing=$((failing + 1)) ;;
    esac
    [ "$failing" -gt 8 ] && finish unknown "$failing polls failed one after the other" 75
    pause "${wait:-$((3 * (failing > 0 ? failing : 1)))}"
  done
}

fetch() { # the result as a whole picture, in three tries; the keys stay at home
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
[ $state = doubt ] && look_for_it
[ $state = made ] || submit
wait_for_it
[ -n "$link" ] || finish failed 'the task succeeded without any media' 1
fetch
finish succeeded "$work/result.png" 0
