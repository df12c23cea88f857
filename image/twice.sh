#!/bin/bash
# `npm run image:twice`: builds the image two times, from one set of Debian packages, and fails unless root file system, EFI program and
# bill of materials are the same. Takes the arguments of image/build.sh but --out and --version.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
out=$(mktemp -d /var/tmp/bothy-twice.XXXXXX)
trap 'rm -rf "$out"' EXIT
for round in first second; do
  "$here/build.sh" "$@" --out "$out/$round" >/dev/null
done
same=yes
for file in "$out"/first/bothy_*.{root.squashfs,efi,cdx.json,packages,raw}; do
  name=${file##*/}
  if cmp -s "$file" "$out/second/$name"; then
    echo "same       $(sha256sum <"$file" | cut -c1-16)  $name"
  else
    echo "DIFFERENT                     $name"
    same=no
  fi
done
[ $same = yes ]
