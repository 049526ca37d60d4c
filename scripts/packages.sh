# packages.sh - installs what is missing of the Debian packages that a script needs; sourced
#
#	install_packages PACKAGE...
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2086 # the scripts use it; lists of words

build_packages="autoconf automake gcc libc6-dev make pkg-config
	libc-ares-dev libconfig-dev libcurl4-openssl-dev libevent-dev libgmime-3.0-dev libgsasl-dev libidn2-dev
	libjansson-dev libseccomp-dev libsqlite3-dev libssl-dev"

# What of the arguments isn't installed.
missing_packages() {
	for package in "$@"; do
		case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
		*" installed") ;;
		*) echo "$package" ;;
		esac
	done
}

install_packages() {
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	as_root=
	if [ "$(id -u)" != 0 ]; then
		as_root=sudo
		if ! command -v sudo >/dev/null; then
			echo "as root, run: apt-get install" $missing >&2
			return 1
		fi
	fi
	echo "installing" $missing
	$as_root apt-get -q update
	# Postfix asks how to set itself up; the tests bring their own configuration.
	echo 'postfix postfix/main_mailer_type select No configuration' |
		$as_root debconf-set-selections 2>/dev/null || true
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends $missing
}

# The accounts that a daemon started by root changes to.
make_accounts() {
	[ "$(id -u)" = 0 ] || return 0
	for account in postern postern-net; do
		getent passwd "$account" >/dev/null || useradd --system --user-group \
			--no-create-home --home-dir / --shell /usr/sbin/nologin "$account"
	done
	getent group postern-admin >/dev/null || groupadd --system postern-admin
}
