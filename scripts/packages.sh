# Sourced by the scripts that need Debian packages.

# missing_packages NAME... prints those of these packages that are not there. Most are programs of the same name.
missing_packages() {
  local package
  for package; do
    case $package in
      libnginx-mod-stream) [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || echo "$package" ;;
      mono-mcs) command -v mcs >/dev/null || echo "$package" ;;
      mono-runtime) command -v mono >/dev/null || echo "$package" ;;
      maven) command -v mvn >/dev/null || echo "$package" ;;
      systemd) command -v systemd-analyze >/dev/null || echo "$package" ;;
      python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null || echo "$package" ;;
      *) PATH=$PATH:/usr/sbin command -v "$package" >/dev/null || echo "$package" ;;
    esac
  done
}

# install_packages NAME... installs those that are not there, without starting any service; it can do so as root with apt-get only.
install_packages() {
  local missing policy=/usr/sbin/policy-rc.d ours=
  missing=$(missing_packages "$@")
  [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes
  fi
  # What is missing after it is for the caller to report.
  # shellcheck disable=SC2086 # one word per package
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing </dev/null || true
  [ -z "$ours" ] || rm -f "$policy"
}
