package fakellm_test

import (
	"net/http/httptest"
	"os/exec"
	"testing"

	"github.com/runagent/runagent/test/fakellm"
	"github.com/runagent/runagent/test/pythonenv"
)

// TestRealClients lets the published OpenAI and LangChain clients judge.
func TestRealClients(t *testing.T) {
	t.Parallel()
	python := pythonenv.For(t, "openai==3.54.0", "langchain-openai==1.7.3")
	server := httptest.NewServer(fakellm.New())
	defer server.Close()
	out, err := exec.CommandContext(t.Context(), python, "testdata/clients.py", server.URL+"/v1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
