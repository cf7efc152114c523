#!/usr/bin/env bash
# deb.sh VERSION ARCHITECTURE FOLDER OUT builds the Debian package from the FOLDER of scripts/release.sh.
# SOURCE_DATE_EPOCH is the date of all entries. DEB_LEVEL (6) is the level of xz.
set -euo pipefail
umask 022
cd "$(dirname "$0")/../.."

version=${1/-/\~} # Debian sorts 1.0.0~rc.1 before 1.0.0
architecture=$2 folder=$3 out=$4
date=$(date -u -d "@$SOURCE_DATE_EPOCH" -R)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# put MODE FILE PATH
put() { install -D -m "$1" "$2" "$root$3"; }

put 755 "$folder/hoofbeat" /usr/bin/hoofbeat
put 644 deploy/systemd/hoofbeat.service /lib/systemd/system/hoofbeat.service
put 640 deploy/debian/hoofbeat.yaml /etc/hoofbeat/hoofbeat.yaml
put 644 deploy/debian/logrotate /etc/logrotate.d/hoofbeat
put 644 "$folder/completions/hoofbeat.bash" /usr/share/bash-completion/completions/hoofbeat
put 644 "$folder/completions/_hoofbeat" /usr/share/zsh/vendor-completions/_hoofbeat
put 644 "$folder/completions/hoofbeat.fish" /usr/share/fish/vendor_completions.d/hoofbeat.fish
put 644 deploy/debian/overrides /usr/share/lintian/overrides/hoofbeat
for page in "$folder"/man/*; do
  put 644 "$page" "/usr/share/man/man${page##*.}/$(basename "$page")"
done

doc=/usr/share/doc/hoofbeat
put 644 deploy/debian/README.Debian $doc/README.Debian
put 644 README.md $doc/README.md
put 644 "$folder/LICENSES-OF-OTHERS" $doc/LICENSES-OF-OTHERS
put 644 CHANGELOG.md $doc/changelog
put 644 "$folder/hoofbeat.example.yaml" $doc/examples/hoofbeat.example.yaml
put 644 deploy/debian/copyright $doc/copyright
printf 'hoofbeat (%s) stable; urgency=medium\n\n  * See the changelog of hoofbeat for the changes.\n\n -- %s  %s\n' \
  "$version" 'hoofbeat maintainers <maintainers@hoofbeat.example>' "$date" >"$root$doc/changelog.Debian"
find "$root/usr/share/man" "$root$doc/changelog" "$root$doc/changelog.Debian" "$root$doc/LICENSES-OF-OTHERS" -type f -exec gzip -9n {} +

mkdir "$root/DEBIAN"
size=$(find "$root" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/" deploy/debian/control >"$root/DEBIAN/control"
printf '/etc/hoofbeat/hoofbeat.yaml\n/etc/logrotate.d/hoofbeat\n' >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
  install -m 755 "deploy/debian/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# dpkg-deb makes root the owner of all files, sorts them, and limits their dates to SOURCE_DATE_EPOCH.
dpkg-deb --root-owner-group -Zxz "-z${DEB_LEVEL:-6}" --build "$root" "$out/hoofbeat_${version}_$architecture.deb" >/dev/null
