package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFirstDeployment runs docs/first-deployment.md from the first operator key on, as one session of
// a shell: CloudFormation, DynamoDB and the admin API are stand-ins, and credentials come as in
// CloudShell, from an address.
func TestFirstDeployment(t *testing.T) {
	t.Parallel()

	tables := database(t)
	data, folder := t.TempDir(), t.TempDir()
	p := start(t, data, "--dynamodb", tables, "--no-demo")

	stack, err := newAccount(filepath.Join(folder, "aws"), map[string]string{
		"AdminUrl":     p.URL + "/v1",
		"CoreTable":    "Core",
		"HotTable":     "Hot",
		"PepperKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/pepper",
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(stack.Close)

	shell := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token of the shell" {
			http.Error(w, "who are you?", http.StatusForbidden)
			return
		}

		_, _ = io.WriteString(w, `{"AccessKeyId":"test","SecretAccessKey":"test","Token":"test",`+
			`"Expiration":"2999-01-01T00:00:00Z"}`)
	}))
	t.Cleanup(shell.Close)

	page := readPage(t, "first-deployment.md", "9. Look at it")
	for name, text := range page.files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	var script strings.Builder
	script.WriteString("set -eu\n")

	for _, command := range page.commands {
		fmt.Fprintf(&script, "%s\n", command)

		if strings.Contains(command, "permissions import") && strings.HasSuffix(command, "--yes") {
			script.WriteString("sleep 11\n") // as the page says
		}
	}

	for _, organization := range []string{"acme", "_operators"} {
		fmt.Fprintf(&script, "bitting keys list --organization %s --status all "+
			"--key-file operator.key --output csv\n", organization)
	}

	c := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	c.Dir = folder
	c.Env = []string{
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + folder, "XDG_CONFIG_HOME=" + folder,
		"BITTING_LOCAL_KEYS=" + filepath.Join(data, "keys"),
		"AWS_ENDPOINT_URL=" + stack.URL, "AWS_ENDPOINT_URL_DYNAMODB=" + tables,
		"AWS_DEFAULT_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + shell.URL + "/credentials",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=token of the shell",
	}

	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	text := string(out)
	for _, want := range []string{
		"This operator key is in first.key. Rotate or regenerate it within 24 hours, or it expires.",
		"operator.key",
		"This operator key is in another.key.",
		"Operator by IAM",
		"revoked",
		"+orders:read",
		"the catalogue is changed",
		"The secret is in default.key.",
		"Website",
		"2 imported.",
	} {
		at := strings.Index(text, want)
		if at < 0 {
			t.Fatalf("%q does not follow\n%s", want, out)
		}

		text = text[at+len(want):]
	}

	for _, want := range []string{
		",Website,production,active,orders:read,", ",Partner,production,revoked,orders:read,",
		",First operator,production,active,", ",Operator by IAM,production,revoked,",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no key %s in the end:\n%s", want, text)
		}
	}
}
