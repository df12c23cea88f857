#!/bin/bash
# Installs the Debian package into a fresh Debian 13 tree, starts the service there and asks it for its health; removes the package.
#
# usage: image/check-deb.sh FILE.deb TREE      as root; TREE is a tree of image/steps/tree with the section run, and is left as it was
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
deb=$(readlink -f "$1") tree=$(readlink -f "$2")
work=$(mktemp -d /var/tmp/bothy-deb.XXXXXX)
trap 'umount "$work/root" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work"/{root,upper,work}
mount -t overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
cp "$deb" "$work/upper/package.deb"
cat >"$work/root/check" <<'EOF'
set -e
dpkg -i /package.deb
test "$(systemctl is-enabled bothyd.service)" = enabled
systemd-analyze verify bothyd.service
bothy help | grep -q setup-code
ip link set lo up
. /usr/lib/bothy/environment
export BOTHY_STATE BOTHY_LISTEN
/usr/lib/bothy/image/serve >/tmp/log 2>&1 &
for try in $(seq 60); do
  if [ -S "$BOTHY_STATE/run/bothy.sock" ]; then break; fi
  sleep 1
done
bothy status >/tmp/status 2>&1 || true # not well, because no libvirt runs here; but it answers, and says that
cat /tmp/log /tmp/status
grep -q 'libvirt does not answer' /tmp/status
bothy setup-code | grep -qE '^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$'
openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -subject
kill %1
wait || true
dpkg -r bothy
test ! -e /usr/lib/bothy/build
test -e /var/lib/bothy/bothy.db # what the service kept stays
EOF
unshare --net "$here/steps/inside" "$work/root" -- /bin/bash /check
echo "the package installs, serves and goes"
