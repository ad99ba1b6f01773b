#!/bin/sh
# Put opa v1.22.2 at .opa/opa: from PATH if it is that version, else the official release checked
# against its published SHA-256, else built with go. Does nothing if it is there already.
set -eu

VERSION=1.22.2
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
TARGET="$ROOT/.opa/opa"
RELEASE="https://github.com/open-policy-agent/opa/releases/download/v$VERSION"

say() { printf 'opa: %s\n' "$*" >&2; }

is_wanted() { [ -x "$1" ] && "$1" version 2>/dev/null | grep -qx "Version: $VERSION"; }

sum() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1" | cut -d' ' -f1
    else shasum -a 256 "$1" | cut -d' ' -f1; fi
}

fetch() { curl -fsSL --proto '=https' --tlsv1.2 --retry 2 --connect-timeout 10 --max-time 300 -o "$2" "$1" 2>"$WORK/why"; }

install_file() {
    chmod 755 "$1"
    if ! is_wanted "$1"; then say "$2 is not a working opa $VERSION on this machine"; return 1; fi
    mv -f "$1" "$TARGET"
}

from_path() {
    found=$(command -v opa) || return 1
    is_wanted "$found" || return 1
    cp "$found" "$WORK/opa" && install_file "$WORK/opa" "$found"
}

from_release() {
    command -v curl >/dev/null 2>&1 || { say "no curl"; return 1; }
    case "$(uname -s)" in
        Linux) os=linux ;;
        Darwin) os=darwin ;;
        *) say "no release for $(uname -s)"; return 1 ;;
    esac
    case "$(uname -m)" in
        x86_64 | amd64) arch=amd64 ;;
        aarch64 | arm64) arch=arm64 ;;
        *) say "no release for $(uname -m)"; return 1 ;;
    esac
    asset="opa_${os}_${arch}_static"
    [ "$os-$arch" = darwin-amd64 ] && asset=opa_darwin_amd64
    if ! fetch "$RELEASE/$asset.sha256" "$WORK/sum" || ! fetch "$RELEASE/$asset" "$WORK/opa"; then
        say "release not to be had: $(head -n 1 "$WORK/why")"
        return 1
    fi
    published=$(cut -d' ' -f1 <"$WORK/sum")
    if [ "$published" != "$(sum "$WORK/opa")" ]; then
        say "the release does not have its published SHA-256; not used"
        return 1
    fi
    install_file "$WORK/opa" "$RELEASE/$asset"
}

from_go() {
    command -v go >/dev/null 2>&1 || { say "no go"; return 1; }
    say "building v$VERSION with go; this takes some minutes"
    if ! GOBIN="$WORK" go install "github.com/open-policy-agent/opa@v$VERSION" 2>"$WORK/why"; then
        say "go install failed: $(tail -n 1 "$WORK/why")"
        return 1
    fi
    install_file "$WORK/opa" "the build"
}

is_wanted "$TARGET" && exit 0
mkdir -p "$ROOT/.opa"
WORK=$(mktemp -d "$ROOT/.opa/new.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
from_path || from_release || from_go || {
    say "could not get opa $VERSION. Put it on PATH, or at $TARGET, and run this again."
    exit 1
}
