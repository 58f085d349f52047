package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// The lines to hold, as ARCHITECTURE.md has them.
const (
	maxFileLines    = 500
	maxFuncLines    = 60
	maxMethods      = 7
	maxPackageLines = 2000
)

// rule is one promise of ARCHITECTURE.md. check returns what breaks it, each
// finding starting with where.
type rule struct {
	name   string
	reason string
	check  func(files []source) []string
}

var rules = []rule{
	{"domain_is_pure",
		"agent, deploy and invocation know no database, no HTTP and no process, so that they can be read and tested alone",
		forbidImports(inPackages("internal/agent", "internal/deploy", "internal/invocation"), "database/sql", "net/http", "os/exec")},
	{"domain_imports_domain_only",
		"arrows point to the domain: what agent, deploy and invocation need from outside they declare as interfaces",
		domainImportsDomainOnly},
	{"server_store_instance_apart",
		"server, store and instance never import each other; they meet in app, so that each can be replaced",
		apart("internal/server", "internal/store", "internal/instance")},
	{"only_app_knows_everybody",
		"only app wires concrete types, and only cli and main start app",
		onlyImportedFrom(module+"/internal/app", "internal/cli", "cmd")},
	{"config_is_for_app_and_cli",
		"packages take their own Options; a setting read in two places gets two meanings",
		onlyImportedFrom(module+"/internal/config", "internal/app", "internal/cli")},
	{"leaves_import_nothing_of_ours",
		"fault and hub are used by everybody, so they may use nobody",
		leaves("internal/fault", "internal/hub", "internal/nearest")},
	{"sql_drivers_in_store",
		"one door for the database drivers, and discovery for the file that published clients read",
		onlyImportedFrom("modernc.org/sqlite", "internal/store", "internal/discovery")},
	{"sql_in_store",
		"all SQL is in store, and in discovery for the file that published clients read",
		onlyImportedFrom("database/sql", "internal/store", "internal/discovery")},
	{"websocket_in_server",
		"one door for the WebSocket library",
		onlyImportedFrom("github.com/coder/websocket", "internal/server")},
	{"metrics_in_telemetry",
		"one door for the metrics library: what is counted, and under which names, is read in one place",
		onlyImportedFrom("github.com/prometheus/client_golang", "internal/telemetry")},
	{"handover_in_its_package",
		"one door for the library that hands sockets over: there is one such place in a process",
		onlyImportedFrom("github.com/cloudflare/tableflip", "internal/app/platform/handover")},
	{"command_library_in_cli",
		"one door for the command library",
		onlyImportedFrom("github.com/spf13/cobra", "internal/cli")},
	{"prompts_in_ask",
		"one door for the library that asks, so that nothing else can wait for a person",
		onlyImportedFrom("charm.land", "internal/cli/draft/ask")},
	{"instance_starts_no_process",
		"processes start through sandbox.Driver, or confinement could be forgotten",
		forbidImports(inPackages("internal/instance"), "os/exec")},
	{"test_packages_in_tests",
		"*test packages hold fakes and suites; a binary that links one is wrong",
		testPackagesInTests},
	{"environment_in_config",
		"os.Getenv only in config (and main): a hidden variable is a hidden flag",
		environmentInConfig},
	{"package_docs",
		"every package says what it promises, in its package comment",
		packageDocs},
	{"forbidden_names",
		"a package is a noun of our domain; common, util and the like say nothing",
		forbiddenNames},
	{"file_length",
		fmt.Sprintf("a file has at most %d lines: one noun per file", maxFileLines),
		fileLength},
	{"function_length",
		fmt.Sprintf("a function has at most %d lines: it reads like a table of contents", maxFuncLines),
		functionLength},
	{"interface_size",
		fmt.Sprintf("an interface has at most %d methods, declared by who needs them", maxMethods),
		interfaceSize},
	{"package_size",
		fmt.Sprintf("a package has at most %d lines without tests; cut it along a noun", maxPackageLines),
		packageSize},
}

// selector picks the files that a rule looks at.
type selector func(source) bool

// inPackages selects the files, tests aside, of the packages at and below dirs.
func inPackages(dirs ...string) selector {
	return func(s source) bool {
		return !s.test() && slices.ContainsFunc(dirs, func(dir string) bool { return within(s.dir(), dir) })
	}
}

// within reports whether p is dir or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func forbidImports(selected selector, forbidden ...string) func([]source) []string {
	return func(files []source) (found []string) {
		for _, s := range files {
			if !selected(s) {
				continue
			}
			for _, imp := range s.imports() {
				if slices.ContainsFunc(forbidden, func(f string) bool { return within(imp, f) }) {
					found = append(found, fmt.Sprintf("%s imports %s", s.path, imp))
				}
			}
		}
		return found
	}
}

// onlyImportedFrom allows imports of target in the packages at and below dirs
// and in tests, nowhere else.
func onlyImportedFrom(target string, dirs ...string) func([]source) []string {
	allowed := inPackages(append(dirs, strings.TrimPrefix(target, module+"/"))...)
	return forbidImports(func(s source) bool { return !s.test() && !allowed(s) }, target)
}

func apart(dirs ...string) func([]source) []string {
	return func(files []source) (found []string) {
		for _, dir := range dirs {
			for _, other := range dirs {
				if other != dir {
					found = append(found, forbidImports(inPackages(dir), module+"/"+other)(files)...)
				}
			}
		}
		return found
	}
}

func leaves(dirs ...string) func([]source) []string {
	return func(files []source) (found []string) {
		for _, dir := range dirs {
			for _, msg := range forbidImports(inPackages(dir), module)(files) {
				if !strings.Contains(msg, "imports "+module+"/"+dir) {
					found = append(found, msg)
				}
			}
		}
		return found
	}
}

func domainImportsDomainOnly(files []source) (found []string) {
	domain := []string{"internal/agent", "internal/deploy", "internal/invocation"}
	known := append(slices.Clone(domain), "internal/fault", "internal/hub", "internal/nearest", "api")
	selected := inPackages(domain...)
	for _, s := range files {
		if !selected(s) {
			continue
		}
		for _, imp := range s.imports() {
			ours, ok := strings.CutPrefix(imp, module+"/")
			if ok && !slices.ContainsFunc(known, func(dir string) bool { return within(ours, dir) }) {
				found = append(found, fmt.Sprintf("%s imports %s", s.path, imp))
			}
		}
	}
	return found
}

// testPackage reports whether an import path names a package of fakes or a suite.
func testPackage(imp string) bool {
	return strings.HasPrefix(imp, module+"/") && strings.HasSuffix(path.Base(imp), "test")
}

func testPackagesInTests(files []source) (found []string) {
	for _, s := range files {
		if s.test() || strings.HasSuffix(s.name(), "test") || within(s.dir(), "test") {
			continue
		}
		for _, imp := range s.imports() {
			if testPackage(imp) {
				found = append(found, fmt.Sprintf("%s imports %s", s.path, imp))
			}
		}
	}
	return found
}

func environmentInConfig(files []source) (found []string) {
	allowed := inPackages("internal/config", "cmd", "test", "bench")
	for _, s := range files {
		if s.test() || allowed(s) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "ExpandEnv"}, sel.Sel.Name) {
				found = append(found, fmt.Sprintf("%s:%d reads the environment by os.%s", s.path, s.line(n.Pos()), sel.Sel.Name))
			}
			return true
		})
	}
	return found
}
