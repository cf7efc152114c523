# Functions for scripts that need Debian packages. To be sourced.

# missing_packages NAME... prints the packages that are not installed. Most are recognised by a program of the same
# name.
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

# install_packages NAME... installs missing packages without starting services, if run as root with apt-get.
install_packages() {
  local missing policy=/usr/sbin/policy-rc.d ours=
  missing=$(missing_packages "$@")
  [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes
  fi
  # The caller reports packages that are still missing.
  # shellcheck disable=SC2086 # one word per package
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing </dev/null || true
  [ -z "$ours" ] || rm -f "$policy"
}
