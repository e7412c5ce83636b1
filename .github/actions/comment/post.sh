#!/usr/bin/env bash
# post.sh FILE: put a comment on pull request NUMBER of REPOSITORY, in place of our own earlier one,
# which begins with the same line.
set -euo pipefail

MARKER=$(head -n 1 "$1")
export MARKER
comments="repos/$REPOSITORY/issues/$NUMBER/comments"
ours='.[] | select(.user.login == "github-actions[bot]" and (.body | startswith(env.MARKER))) | .id'
earlier=$(gh api --paginate "$comments" --jq "$ours" | sed -n 1p)
if [ -n "$earlier" ]; then
  gh api --method PATCH "repos/$REPOSITORY/issues/comments/$earlier" -F body=@"$1" --silent
else
  gh api --method POST "$comments" -F body=@"$1" --silent
fi
