package archtest

import (
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	t.Parallel()
	files := loadModule(t)
	if len(files) < 10 {
		t.Fatalf("found %d Go files in the module; the walk is broken", len(files))
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, finding := range r.check(files) {
				t.Errorf("%s\n\tthe rule: %s", finding, r.reason)
			}
		})
	}
}

// TestRulesCanFail gives every rule a file that breaks it and one beside it
// that does not: a guard that never fires guards nothing.
func TestRulesCanFail(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			c, ok := broken[r.name]
			if !ok {
				t.Fatalf("rule %s has no case that breaks it", r.name)
			}
			bad := []source{parse(t, c.path, []byte(c.text))}
			if got := r.check(bad); len(got) == 0 {
				t.Errorf("the rule let this pass:\n%s\n%s", c.path, c.text)
			} else if !strings.Contains(got[0], c.says) {
				t.Errorf("finding = %q, want it to say %q", got[0], c.says)
			}
			good := []source{parse(t, c.goodPath, []byte(c.goodText))}
			if got := r.check(good); len(got) != 0 {
				t.Errorf("the rule refused this: %v\n%s\n%s", got, c.goodPath, c.goodText)
			}
		})
	}
}

// breach is a file that breaks a rule, and the nearest one that keeps it.
type breach struct {
	path, text, says   string
	goodPath, goodText string
}

func importing(paths ...string) string {
	return "// Package p.\npackage p\n\nimport (\n\t_ \"" + strings.Join(paths, "\"\n\t_ \"") + "\"\n)\n"
}

func function(lines int) string {
	return "// Package p.\npackage p\n\nfunc long() {\n" + strings.Repeat("\tprintln()\n", lines-2) + "}\n"
}

func iface(methods int) string {
	return "// Package p.\npackage p\n\ntype Wide interface {\n" + strings.Repeat("\tM()\n", methods) + "}\n"
}

func lines(n int) string { return "// Package p.\npackage p\n" + strings.Repeat("\n", n-2) }

var broken = map[string]breach{
	"domain_is_pure": {
		"internal/invocation/a.go", importing("net/http/httputil"), "imports net/http/httputil",
		"internal/server/a.go", importing("net/http"),
	},
	"domain_imports_domain_only": {
		"internal/agent/a.go", importing(module + "/internal/store"), "internal/store",
		"internal/agent/a.go", importing(module+"/internal/fault", "strings"),
	},
	"server_store_instance_apart": {
		"internal/server/a.go", importing(module + "/internal/instance"), "internal/instance",
		"internal/server/a.go", importing(module + "/internal/server/ws"),
	},
	"only_app_knows_everybody": {
		"internal/server/a.go", importing(module + "/internal/app"), "internal/app",
		"internal/cli/a.go", importing(module + "/internal/app"),
	},
	"config_is_for_app_and_cli": {
		"internal/build/a.go", importing(module + "/internal/config"), "internal/config",
		"internal/app/a.go", importing(module + "/internal/config"),
	},
	"leaves_import_nothing_of_ours": {
		"internal/fault/a.go", importing(module + "/internal/agent"), "internal/agent",
		"internal/fault/a.go", importing("errors"),
	},
	"sql_drivers_in_store": {
		"internal/app/a.go", importing("modernc.org/sqlite"), "modernc.org/sqlite",
		"internal/discovery/a.go", importing("modernc.org/sqlite"),
	},
	"sql_in_store": {
		"internal/server/a.go", importing("database/sql"), "database/sql",
		"internal/store/a.go", importing("database/sql"),
	},
	"websocket_in_server": {
		"internal/cli/a.go", importing("github.com/coder/websocket"), "websocket",
		"internal/server/a.go", importing("github.com/coder/websocket/wsjson"),
	},
	"metrics_in_telemetry": {
		"internal/server/a.go", importing("github.com/prometheus/client_golang/prometheus"), "prometheus",
		"internal/telemetry/a.go", importing("github.com/prometheus/client_golang/prometheus"),
	},
	"handover_in_its_package": {
		"internal/app/a.go", importing("github.com/cloudflare/tableflip"), "tableflip",
		"internal/app/platform/handover/a.go", importing("github.com/cloudflare/tableflip"),
	},
	"command_library_in_cli": {
		"internal/app/a.go", importing("github.com/spf13/cobra"), "cobra",
		"internal/cli/a.go", importing("github.com/spf13/cobra"),
	},
	"prompts_in_ask": {
		"internal/cli/a.go", importing("charm.land/huh/v2"), "huh",
		"internal/cli/draft/ask/a.go", importing("charm.land/huh/v2"),
	},
	"instance_starts_no_process": {
		"internal/instance/a.go", importing("os/exec"), "os/exec",
		"internal/sandbox/none/a.go", importing("os/exec"),
	},
	"test_packages_in_tests": {
		"internal/app/a.go", importing(module + "/internal/instance/instancetest"), "instancetest",
		"internal/app/a_test.go", importing(module + "/internal/instance/instancetest"),
	},
	"environment_in_config": {
		"internal/build/a.go", "// Package p.\npackage p\n\nimport \"os\"\n\nvar home = os.Getenv(\"HOME\")\n", "os.Getenv",
		"internal/config/a.go", "// Package p.\npackage p\n\nimport \"os\"\n\nvar home = os.Getenv(\"HOME\")\n",
	},
	"package_docs": {
		"internal/build/a.go", "package p\n", "no package comment",
		"internal/build/a.go", "// Package p builds.\npackage p\n",
	},
	"forbidden_names": {
		"internal/a/a.go", "package p\n\ntype InvocationManager struct{}\n", "InvocationManager",
		"internal/a/a.go", "package p\n\ntype Executor struct{}\n",
	},
	"file_length": {
		"internal/a/a.go", lines(maxFileLines + 1), "501 lines",
		"internal/a/a.go", lines(maxFileLines),
	},
	"function_length": {
		"internal/a/a.go", function(maxFuncLines + 1), "61 lines",
		"internal/a/a.go", function(maxFuncLines),
	},
	"interface_size": {
		"internal/a/a.go", iface(maxMethods + 1), "8 methods",
		"internal/a/a.go", iface(maxMethods),
	},
	"package_size": {
		"internal/a/a.go", lines(maxPackageLines + 1), "2001 lines",
		"internal/a/a_test.go", lines(maxPackageLines + 1),
	},
}

func TestForbiddenNamesSeePackagesAndFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"internal/util/a.go", "internal/a/helpers.go", "internal/a/types_test.go"} {
		if got := forbiddenNames([]source{parse(t, name, []byte("package p\n"))}); len(got) != 1 {
			t.Errorf("forbiddenNames(%s) = %v, want one finding", name, got)
		}
	}
}
