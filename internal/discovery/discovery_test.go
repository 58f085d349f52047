package discovery_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/discovery"
	"github.com/runagent/runagent/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPath(t *testing.T) string {
	return filepath.Join(t.TempDir(), "cache", discovery.FileName)
}

// open opens the file as one server.
func open(t *testing.T, path string) *discovery.DB {
	t.Helper()
	d, err := discovery.Open(path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

// sqlOf opens the file as another program does.
func sqlOf(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // only read, or checked by what is found later
	return db
}

func mustExec(t *testing.T, db *sql.DB, q string, args ...any) {
	t.Helper()
	if _, err := db.Exec(q, args...); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func row(id string, port int) discovery.Row {
	return discovery.Row{
		AgentID: id, Path: "/srv/" + id, Host: "127.0.0.1", Port: port, Framework: "langgraph",
		Name: "My Agent " + id, Description: "d", Template: "basic", Version: "1.0.0", Fingerprint: "f",
	}
}

func announce(t *testing.T, d *discovery.DB, r discovery.Row) {
	t.Helper()
	if err := d.Announce(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, d *discovery.DB, id string) {
	t.Helper()
	if err := d.Stopped(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// want checks where programs find an agent; port 0 means that it is stopped.
func want(t *testing.T, d *discovery.DB, id string, port int) {
	t.Helper()
	rows, err := d.Find(t.Context(), id)
	if err != nil || len(rows) != 1 {
		t.Fatalf("Find(%s) = %d rows, %v, want 1", id, len(rows), err)
	}
	got := rows[0]
	if port == 0 {
		if got.Status != discovery.StatusStopped {
			t.Errorf("agent %s is %s at port %d, want it stopped", id, got.Status, got.Port)
		}
		return
	}
	if got.Status != discovery.StatusServing || got.Port != port {
		t.Errorf("agent %s is %s at port %d, want it serving at %d", id, got.Status, got.Port, port)
	}
}

func TestAnnounceWritesWhatClientsRead(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	announce(t, d, row("a1", 8450))

	// The statement of the Python client, with times as the Go client scans them.
	const q = `
		SELECT agent_id, agent_path, host, port, framework, status, remote_status, is_local,
			deployed_at, created_at, updated_at, run_count, success_count, error_count,
			agent_name, description, template, version, fingerprint,
			last_run, initialized_at, config_fingerprint, project_id
		FROM agents`
	var (
		id, dir, host, framework, status, remote string
		port, runs, good, bad                    int
		local                                    bool
		deployed, created, updated               time.Time
		name, description, template, version     string
		fingerprint                              string
		ran, initialized, config, project        sql.NullString
	)
	err := sqlOf(t, path).QueryRow(q).Scan(&id, &dir, &host, &port, &framework, &status, &remote, &local,
		&deployed, &created, &updated, &runs, &good, &bad, &name, &description, &template, &version, &fingerprint,
		&ran, &initialized, &config, &project)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{id, dir, host, port, framework, status, local, runs, good, bad, name, description, template, version, fingerprint}
	wanted := []any{"a1", "/srv/a1", "127.0.0.1", 8450, "langgraph", "serving", true, 0, 0, 0, "My Agent a1", "d", "basic", "1.0.0", "f"}
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("row is %v, want %v", got, wanted)
	}
	for what, at := range map[string]time.Time{"deployed_at": deployed, "created_at": created, "updated_at": updated} {
		if age := time.Since(at); age < -time.Second || age > time.Minute {
			t.Errorf("%s is %v, want now in UTC", what, at)
		}
	}
	var text string
	if err := sqlOf(t, path).QueryRow(`SELECT CAST(updated_at AS TEXT) FROM agents`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse("2006-01-02 15:04:05", text); err != nil {
		t.Errorf("time is written as %q: %v", text, err)
	}
}

func TestDeclaredTypes(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	open(t, path)
	rows, err := sqlOf(t, path).Query(`SELECT name, type FROM pragma_table_info('agents')`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what matters
	n := 0
	for ; rows.Next(); n++ {
		var name, decl string
		if err := rows.Scan(&name, &decl); err != nil {
			t.Fatal(err)
		}
		wanted := "TEXT"
		switch {
		case strings.HasSuffix(name, "_at"), name == "last_run":
			wanted = "DATETIME"
		case strings.HasSuffix(name, "_count"), name == "port":
			wanted = "INTEGER"
		case name == "is_local":
			wanted = "BOOLEAN"
		}
		if decl != wanted {
			t.Errorf("column %s is declared %s, want %s", name, decl, wanted)
		}
	}
	if err := rows.Err(); err != nil || n != 23 {
		t.Errorf("%d columns, %v, want 23", n, err)
	}
}

func TestFilesOfOtherProgramsKeepWorking(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]string{
		"published_client": `
			CREATE TABLE agents (agent_id VARCHAR NOT NULL, agent_path VARCHAR NOT NULL, host VARCHAR NOT NULL,
				port INTEGER NOT NULL, framework VARCHAR, status VARCHAR, remote_status VARCHAR, is_local BOOLEAN,
				fingerprint VARCHAR, deployed_at DATETIME, last_run DATETIME, run_count INTEGER, success_count INTEGER,
				error_count INTEGER, created_at DATETIME, updated_at DATETIME, agent_name VARCHAR, description TEXT,
				template VARCHAR, version VARCHAR, initialized_at DATETIME, config_fingerprint VARCHAR,
				project_id VARCHAR, mine TEXT, PRIMARY KEY (agent_id))`,
		"older_client": `
			CREATE TABLE agents (agent_id TEXT PRIMARY KEY, agent_path TEXT, host TEXT, port INTEGER,
				framework TEXT, status TEXT, deployed_at DATETIME, project_id TEXT, mine TEXT)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			db := sqlOf(t, path)
			mustExec(t, db, schema)
			mustExec(t, db, `CREATE TABLE agent_runs (id INTEGER)`)
			const insert = `
				INSERT INTO agents (agent_id, agent_path, host, port, status, project_id, mine)
				VALUES (?, '/p', '127.0.0.1', 8451, 'deployed', 'p7', 'keep')`
			mustExec(t, db, insert, "theirs")
			mustExec(t, db, insert, "a1")

			d := open(t, path)
			announce(t, d, row("a1", 8450))
			want(t, d, "a1", 8450)
			for id, status := range map[string]string{"a1": "serving", "theirs": "deployed"} {
				var got, project, mine string
				err := db.QueryRow(`SELECT status, project_id, mine FROM agents WHERE agent_id = ?`, id).Scan(&got, &project, &mine)
				if err != nil || got != status || project != "p7" || mine != "keep" {
					t.Errorf("row %s is %s, %s, %s (%v), want %s and the rest kept", id, got, project, mine, err, status)
				}
			}
			if err := d.Sweep(t.Context(), func(string, int, string) bool { return false }); err != nil {
				t.Fatal(err)
			}
			rows, err := d.Find(t.Context(), "theirs")
			if err != nil || len(rows) != 1 || rows[0].Status != "deployed" {
				t.Errorf("after a sweep the other program's row is %+v, %v, want it as it was", rows, err)
			}
		})
	}
}

func TestTwoServersOfOneAgent(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	first, second := open(t, path), open(t, path)
	announce(t, first, row("a1", 8450))
	announce(t, second, row("a1", 8451))
	want(t, first, "a1", 8451)

	announce(t, first, row("a1", 8460)) // moved, and still the older one
	want(t, first, "a1", 8451)
	stop(t, second, "a1")
	want(t, first, "a1", 8460)
	stop(t, first, "a1")
	want(t, first, "a1", 0)
	announce(t, second, row("a1", 8451))
	want(t, first, "a1", 8451)
}

func TestOlderServerStopsFirst(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	first, second := open(t, path), open(t, path)
	announce(t, first, row("a1", 8450))
	announce(t, second, row("a1", 8451))
	stop(t, first, "a1")
	want(t, first, "a1", 8451)
}

func TestAddressHasOneServer(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	killed, next := open(t, path), open(t, path)
	announce(t, killed, row("a1", 8450))
	announce(t, next, row("a2", 8450))
	want(t, next, "a1", 0)
	want(t, next, "a2", 8450)
}

func TestSweepTakesBackWhatIsGone(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	me, killed, living := open(t, path), open(t, path), open(t, path)
	announce(t, me, row("mine", 8450))
	announce(t, living, row("both", 8451))
	announce(t, killed, row("both", 8452))
	announce(t, killed, row("gone", 8453))
	announce(t, living, row("lives", 8454))
	mustExec(t, sqlOf(t, path), `
		INSERT INTO agents (agent_id, agent_path, host, port, status)
		VALUES ('unknown', '/u', '127.0.0.1', 8459, 'serving')`)
	asked := make(map[string]bool)
	err := me.Sweep(t.Context(), func(host string, port int, agentID string) bool {
		asked[fmt.Sprint(host, ":", port, " ", agentID)] = true
		return port == 8451 || port == 8454
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 5 || asked["127.0.0.1:8450 mine"] {
		t.Errorf("asked %v, want all but our own", asked)
	}
	want(t, me, "mine", 8450)
	want(t, me, "both", 8451)
	want(t, me, "gone", 0)
	want(t, me, "lives", 8454)
	want(t, me, "unknown", 0)
}

func TestFind(t *testing.T) {
	t.Parallel()
	d := open(t, newPath(t))
	folder := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	one, two, three := row("a1", 8450), row("a2", 8451), row("a3", 8452)
	one.Path, one.Name = folder, "Weather Bot"
	three.Name = "Weather Bot"
	for _, r := range []discovery.Row{one, two, three} {
		announce(t, d, r)
	}
	stop(t, d, "a1")
	for ref, ids := range map[string][]string{
		"a1":          {"a1"},
		"Weather Bot": {"a3", "a1"}, // the one that serves first
		"weather-bot": {"a3", "a1"},
		folder:        {"a1"},
		link + "/":    {"a1"},
		"nothing":     nil,
		"":            nil,
	} {
		rows, err := d.Find(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range rows {
			got = append(got, rows[i].AgentID)
		}
		if !reflect.DeepEqual(got, ids) {
			t.Errorf("Find(%q) = %v, want %v", ref, got, ids)
		}
	}
}

func TestListTellsAll(t *testing.T) {
	t.Parallel()
	d := open(t, newPath(t))
	announce(t, d, row("a1", 8450))
	for range 2 {
		if err := d.Count(t.Context(), "a1", 3, 1); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("List = %d rows, %v, want 1", len(list), err)
	}
	got := list[0]
	for what, at := range map[string]*time.Time{
		"DeployedAt": &got.DeployedAt, "CreatedAt": &got.CreatedAt, "UpdatedAt": &got.UpdatedAt, "LastRun": &got.LastRun,
	} {
		if age := time.Since(*at); age < -time.Second || age > time.Minute {
			t.Errorf("%s is %v, want now", what, *at)
		}
		*at = time.Time{}
	}
	wanted := row("a1", 8450)
	wanted.Status, wanted.PID = discovery.StatusServing, os.Getpid()
	wanted.RunCount, wanted.SuccessCount, wanted.ErrorCount = 8, 6, 2
	if got != wanted {
		t.Errorf("List = %+v, want %+v", got, wanted)
	}
}

func TestNoLockIsHeld(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	announce(t, d, row("a1", 8450))
	other, err := sql.Open("sqlite", path+"?_txlock=exclusive") // no patience at all
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.Begin()
	if err != nil {
		t.Fatalf("another program can't lock the file: %v", err)
	}
	_, err = tx.Exec(`CREATE TABLE IF NOT EXISTS user_metadata (key TEXT)`)
	if err := errors.Join(err, tx.Commit(), other.Close()); err != nil {
		t.Errorf("another program can't write: %v", err)
	}
}

func TestReplacedFileIsFilledAgain(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	announce(t, d, row("a1", 8450))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	announce(t, d, row("a1", 8450))
	want(t, open(t, path), "a1", 8450)
}

func TestServersAnnounceAtOnce(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	const servers = 8
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			d, err := discovery.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			id := fmt.Sprint("a", i)
			err = errors.Join(d.Announce(t.Context(), row(id, 8450+i)), d.Count(t.Context(), id, 1, 0), d.Close())
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := open(t, path).List(t.Context())
	if err != nil || len(list) != servers {
		t.Errorf("List = %d rows, %v, want %d", len(list), err, servers)
	}
}
