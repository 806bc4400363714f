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
# A module cache apart, or a module that another build left there under the same version would be taken for this one; what Go has of others
# already is not fetched again, and is what go.sum says. Go does not compile again for other flags of pkg-config's, which name the prefix: a define
# that nothing reads has it do so. With -trimpath, what does not depend on that comes from its cache, wherever the modules are.
go_build() {
  mkdir "$dir/go-work" && go_proxy "$dir/go-proxy" && cp tests/packages/go/main.go bindings/go/go.sum "$dir/go-work" || return 1
  cd "$dir/go-work" || return 1
  GOPROXY="file://$dir/go-proxy,file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" GOMODCACHE=$dir/go-modules
  GONOSUMDB='github.com/weir-db/*' GOFLAGS='-mod=mod -modcacherw -trimpath' GOTOOLCHAIN=local CGO_CPPFLAGS=-DWEIR_PREFIX_${dir##*.}
  export CGO_CPPFLAGS GOPROXY GOMODCACHE GONOSUMDB GOFLAGS GOTOOLCHAIN
  go mod init example.com/consumer && go get "github.com/weir-db/weir/bindings/go@v$version" && go mod tidy && go build -o consumer . &&
    diff -r "$source/bindings/go/weir" "$GOMODCACHE/$module@v$version/weir"
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
