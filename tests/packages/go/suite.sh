# Part of tests/packages/run.sh: the Go module as `go get` brings it, with the library found by pkg-config.

# The files of the module proxy protocol, for the module as it would be tagged bindings/go/vVERSION.
go_proxy() { # go_proxy DIR
  module=github.com/weir-db/weir/bindings/go
  versions=$1/$module/@v
  staged=$dir/go-stage/$module@v$version
  mkdir -p "$versions" "$staged" && cp -R bindings/go/. LICENSE "$staged" &&
    cp bindings/go/go.mod "$versions/v$version.mod" && echo "v$version" >"$versions/list" &&
    printf '{"Version":"v%s","Time":"2026-01-01T00:00:00Z"}' "$version" >"$versions/v$version.info" &&
    python3 tests/packages/go/zip.py "$versions/v$version.zip" "$dir/go-stage"
}
go_build() {
  mkdir "$dir/go-work" && go_proxy "$dir/go-proxy" && cp tests/packages/go/main.go "$dir/go-work" || return 1
  cd "$dir/go-work" || return 1
  GOPROXY="file://$dir/go-proxy,$(go env GOPROXY)" GONOSUMDB='github.com/weir-db/*' GOFLAGS=-mod=mod GOTOOLCHAIN=local
  export GOPROXY GONOSUMDB GOFLAGS GOTOOLCHAIN
  go mod init example.com/consumer && go get "github.com/weir-db/weir/bindings/go@v$version" && go mod tidy && go build -o consumer .
}
go_runs() { LD_LIBRARY_PATH=$prefix/lib appends_crashes_tails "$dir/go-work/consumer"; }

# Where Go's installer puts it is searched too.
PATH=$PATH:/usr/local/go/bin
if command -v go >/dev/null 2>&1; then
  check 'Go, go get and go build' in_subshell go_build
  check 'Go' go_runs
else
  skip Go "go 1.25 or newer is missing; get it from https://go.dev/dl/"
fi
