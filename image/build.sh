#!/bin/bash
# `npm run image`: builds the host image on this machine, without containers. `npm run package`: builds the Debian package of the
# service (--deb). --bare makes the Debian that `npm run bench:image` compares with. As root; needs mmdebstrap.
#
# usage: image/build.sh [--deb | --bare] [--out FOLDER] [--work FOLDER] [--version VERSION] [--fresh]
#
# FOLDER gets bothy_VERSION.{raw,qcow2,root.squashfs,efi}, the signed update bothy_VERSION.bundle and what describes them, or
# bothy_VERSION_amd64.deb. BOTHY_KEYS is a folder with the signing key (private.pem) and the keys that the image trusts (public/*.pem);
# without it a pair is made once in the work folder, so that images of this machine take updates of this machine. Trees are kept in the work folder and made anew
# when image/packages.txt, or what they are made by, has changed; --fresh makes them anew in any case.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
source=$(dirname "$here")
out=$source/build/image work=/var/tmp/bothy-image version= fresh= target=image

say() { echo "image: $(date +%T) $*" >&2; }
fail() { say "$*"; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift ;;
    --work) work=$2; shift ;;
    --version) version=$2; shift ;;
    --fresh) fresh=yes ;;
    --deb) target=deb ;;
    --bare) target=bare ;;
    *) fail "usage: image/build.sh [--deb | --bare] [--out FOLDER] [--work FOLDER] [--version VERSION] [--fresh]" ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || fail "a file system of other users' files can only be made by root: sudo npm run image, or podman build (see image/README.md)"
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt install mmdebstrap"

version=${version:-$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$source/package.json")}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([.~-][0-9a-z.]+)?$ && ${#version} -le 29 ]] || fail "\"$version\" is no version such as 1.2.3"
# The time that everything in the image bears: that of the last commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || stat -c %Y "$source/package-lock.json")}
export SOURCE_DATE_EPOCH

mkdir -p "$work/npm" "$out"
out=$(readlink -f "$out") work=$(readlink -f "$work")
exec 9>"$work/lock"
flock -n 9 || { say "another build uses $work: waiting for it"; flock 9; }

# Prints the folder of a tree with the packages of the sections; makes it where it is not there.
debian_tree() { # NAME SECTION...
  local name=$1 key folder
  shift
  key=$(cat <("$here/steps/packages" "$@") "$here/steps/tree" <(echo "${BOTHY_MIRROR:-} ${BOTHY_SECURITY_MIRROR:-}") | sha256sum | cut -c1-12)
  folder=$work/$name-$key
  if [ -n "$fresh" ] || [ ! -d "$folder" ]; then
    say "making the tree \"$name\" of Debian packages"
    logged "tree-$name" "$here/steps/tree" "$folder" "$work/debs" "$@"
  fi
  echo "$folder"
}

# What the steps say is kept, and shown when one fails.
logged() { # NAME COMMAND...
  local log=$work/$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null || { tr '\r' '\n' <"$log" | tail -n 40 >&2; fail "that failed; the whole log is $log"; }
}

inside_tools() {
  "$here/steps/inside" "$tools" --bind "$source" /run/source --bind "$work" /run/work --bind "$out" /run/out "${trust[@]}" -- "$@"
}

# npm inside the tree uses this machine's names and trust, and npm's settings from the environment.
trust=(--bind /etc/resolv.conf /etc/resolv.conf)
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || trust+=(--bind /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt)

tools=$(debian_tree tools build compile pack)

compile_service() {
  say "compiling the service, version $version"
  logged service inside_tools /run/source/image/steps/service /run/source /run/work/service "$version" /run/work/npm
}

build_bare() {
  local tree
  tree=$(debian_tree bare bare)
  say "packing a bare Debian"
  rm -rf "$work/bare"
  cp -a --reflink=auto "$tree" "$work/bare"
  logged bare-prepare "$here/steps/inside" "$work/bare" --bind "$source" /run/source -- /run/source/image/steps/bare prepare
  logged bare inside_tools /run/source/image/steps/bare pack /run/work/bare /run/source /run/out
  rm -rf "$work/bare"
}

build_deb() {
  compile_service
  say "packing the Debian package"
  logged deb inside_tools /run/source/image/steps/deb /run/source /run/work/service /run/out "$version"
}

# The key is private: it is read where the bundle is made and goes nowhere else.
make_keys() {
  keys=${BOTHY_KEYS:-$work/keys}
  [ -n "${BOTHY_KEYS:-}" ] || [ -e "$keys/private.pem" ] ||
    logged keys inside_tools node /run/work/service/build/appliance/update/bundle-tool.js keys /run/work/keys
  compgen -G "$keys/public/*.pem" >/dev/null || fail "$keys holds no public/*.pem: image/bundle keys FOLDER makes a pair"
}

make_bundle() {
  if [ ! -e "$keys/private.pem" ]; then
    say "$keys holds no private.pem: no bundle is made"
    return
  fi
  logged bundle "$here/steps/inside" "$tools" --bind "$work/service" /run/service --bind "$out" /run/out --bind "$keys" /run/keys -- \
    node /run/service/build/appliance/update/bundle-tool.js make --version "$version" --kernel "/run/out/bothy_$version.efi" \
    --root "/run/out/bothy_$version.root.squashfs" --key /run/keys/private.pem --created "$SOURCE_DATE_EPOCH" --out "/run/out/bothy_$version.bundle"
}

build_image() {
  local host
  compile_service
  make_keys
  host=$(debian_tree host run image)
  say "finishing the root file system"
  rm -rf "$work/root"
  cp -a --reflink=auto "$host" "$work/root"
  logged finish "$here/steps/inside" "$work/root" --bind "$source" /run/source --bind "$work/service" /run/service --bind "$keys/public" /run/keys -- \
    /run/source/image/steps/finish /run/source /run/service /run/keys "$version"
  say "packing"
  logged pack inside_tools /run/source/image/steps/pack /run/work/root /run/source /run/out "$version"
  make_bundle
}

"build_$target"
say "done: $out"
ls -lsh "$out" >&2
