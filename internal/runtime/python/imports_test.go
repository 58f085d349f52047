package python

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestImportListWanted(t *testing.T) {
	t.Parallel()
	list := ImportList{
		Modules: []string{
			"json", "langgraph", "langgraph.graph", "__main__", "runagent_shim.calls", "langgraph", "lancedb.table",
			"chromadb", "chromadb.api", "chromadb_client", "idlelib.run", "antigravity", "not a module", "a..b", "", "größe", "testing",
		},
		Excluded: map[string]string{"chromadb": "left a thread behind"},
	}
	want := []string{"json", "langgraph", "langgraph.graph", "chromadb_client", "größe", "testing"}
	if got := list.Wanted(); !slices.Equal(got, want) {
		t.Errorf("Wanted = %q, want %q", got, want)
	}
}

func TestImportListIsBounded(t *testing.T) {
	t.Parallel()
	var list ImportList
	for i := range maxModules + 10 {
		list.Modules = append(list.Modules, "m"+strconv.Itoa(i))
	}
	if got := len(list.Wanted()); got != maxModules {
		t.Errorf("Wanted has %d modules, want %d", got, maxModules)
	}
}

func TestImportListLearns(t *testing.T) {
	t.Parallel()
	list, changed := ImportList{Modules: []string{"a"}}.Learn([]string{"b", "a", "__main__"})
	if !changed || !slices.Equal(list.Modules, []string{"b", "a"}) {
		t.Errorf("Learn = %q, %v, want b and a, changed", list.Modules, changed)
	}
	if _, changed := list.Learn([]string{"a", "b", "boot"}); changed {
		t.Error("Learn says changed for the same modules in another order")
	}
	list, changed = list.Exclude("b", "polluting")
	if _, again := list.Exclude("b", "polluting"); !changed || again {
		t.Errorf("Exclude = %v then %v, want true then false", changed, again)
	}
	if list, changed = list.Learn([]string{"a", "b.c"}); changed || list.Excluded["b"] != "polluting" {
		t.Errorf("Learn = %+v, %v, want exclusions kept and nothing new", list, changed)
	}
}

func TestImportListLearnsWhatCallsLoad(t *testing.T) {
	t.Parallel()
	list := ImportList{Modules: []string{"a", "a.b"}, Excluded: map[string]string{"bad": "why"}}
	list, changed := list.LearnLater([]string{"a", "late", "late.x", "bad.x", "__main__", "late"})
	if want := []string{"a", "a.b", "late", "late.x"}; !changed || !slices.Equal(list.Wanted(), want) {
		t.Errorf("LearnLater = %q, %v, want %q, changed", list.Wanted(), changed, want)
	}
	if list, changed = list.LearnLater([]string{"late", "bad"}); changed {
		t.Errorf("LearnLater of nothing new = %+v, changed", list)
	}
	// An instance that was forked from a zygote with late has it when it is ready.
	if list, changed = list.Learn([]string{"a", "a.b", "late", "late.x"}); changed || !slices.Equal(list.Later, []string{"late", "late.x"}) {
		t.Errorf("Learn = %+v, %v, want what it was", list, changed)
	}
	// One that was started otherwise has not.
	if list, changed = list.Learn([]string{"a", "a.b"}); changed || len(list.Later) != 2 {
		t.Errorf("Learn = %+v, %v, want what it was", list, changed)
	}
	if list, changed = list.ForgetLater("crashed"); !changed || !slices.Equal(list.Wanted(), []string{"a", "a.b"}) || list.Excluded["late"] != "crashed" || list.Excluded["bad"] == "" {
		t.Errorf("ForgetLater = %+v, %v", list, changed)
	}
	if list, changed = list.LearnLater([]string{"late.y"}); changed {
		t.Errorf("LearnLater of what was forgotten = %+v, changed", list)
	}
	if _, changed = list.ForgetLater("again"); changed {
		t.Error("ForgetLater of nothing says changed")
	}
	// A package that only calls had loaded whole may hold what the agent imports.
	list = ImportList{Modules: []string{"p.needed"}, Later: []string{"p", "p.other"}}
	if list, _ = list.ForgetLater("crashed"); !slices.Equal(list.Wanted(), []string{"p.needed"}) {
		t.Errorf("Wanted after ForgetLater = %q, want what the agent imports", list.Wanted())
	}
}

func TestImportListOfCallsIsBounded(t *testing.T) {
	t.Parallel()
	list := ImportList{Modules: []string{"a"}}
	many := make([]string, maxModules+10)
	for i := range many {
		many[i] = "m" + strconv.Itoa(i)
	}
	list, _ = list.LearnLater(many)
	if list, changed := list.LearnLater([]string{"more"}); changed || len(list.Later) != maxModules-1 {
		t.Errorf("%d modules later, changed: %v", len(list.Later), changed)
	}
}

func TestImportStore(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	store, key := NewImportStore(home), ImportKey("agent", "sha256:1", Version{3, 11, 7})
	if list, kept, err := store.Load(key); err != nil || kept || len(list.Modules) != 0 {
		t.Errorf("Load of nothing = %+v, %v, %v", list, kept, err)
	}
	want := ImportList{Modules: []string{"a", "b"}, Excluded: map[string]string{"c": "why"}}
	if err := store.Save(key, want); err != nil {
		t.Fatal(err)
	}
	got, kept, err := NewImportStore(home).Load(key)
	if err != nil || !kept || !slices.Equal(got.Modules, want.Modules) || got.Excluded["c"] != "why" {
		t.Errorf("Load = %+v, %v, %v, want %+v", got, kept, err, want)
	}
	for _, other := range []string{
		ImportKey("agent2", "sha256:1", Version{3, 11, 7}), ImportKey("agent", "sha256:2", Version{3, 11, 7}),
		ImportKey("agent", "sha256:1", Version{3, 12, 1}),
	} {
		if list, _, _ := store.Load(other); other == key || len(list.Modules) != 0 {
			t.Errorf("key %s shares the list of %s", other, key)
		}
	}
}

func TestImportStoreLoadsGarbageAsEmpty(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, filepath.Join(home, "imports", "k.json"), `{"modules": "cut o`)
	if list, kept, err := NewImportStore(home).Load("k"); err != nil || kept || len(list.Modules) != 0 {
		t.Errorf("Load = %+v, %v, want an empty list", list, err)
	}
}

func TestImportStoreSavesWhole(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	store := NewImportStore(home)
	long := ImportList{Modules: make([]string, 2000)}
	for i := range long.Modules {
		long.Modules[i] = "module.number" + strconv.Itoa(i)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := store.Save("k", long); err != nil {
				t.Error(err)
			}
			if list, _, err := store.Load("k"); err != nil || len(list.Modules) != 2000 {
				t.Errorf("Load while others save = %d modules, %v", len(list.Modules), err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(filepath.Join(home, "imports"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, %v, want one", len(entries), err)
	}
}

func TestImportListsThatNobodyLoadsAreRemoved(t *testing.T) {
	t.Parallel()
	s := NewImportStore(t.TempDir())
	now := time.Now()
	if err := s.Collect(now); err != nil {
		t.Errorf("where there are none: %v", err)
	}
	for _, key := range []string{"used", "unused"} {
		if err := s.Save(key, ImportList{Modules: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(s.path(key), now.AddDate(0, -2, 0), now.AddDate(0, -2, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if _, kept, err := s.Load("used"); !kept || err != nil {
		t.Fatal(kept, err)
	}
	if err := s.Collect(now); err != nil {
		t.Error(err)
	}
	for key, want := range map[string]bool{"used": true, "unused": false} {
		if _, kept, err := s.Load(key); kept != want || err != nil {
			t.Errorf("%s: kept %v, %v", key, kept, err)
		}
	}
}
