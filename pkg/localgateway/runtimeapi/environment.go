package runtimeapi

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// environment returns the variables that Lambda sets, with the function's own last. Nothing of
// this process's environment is passed on, so that a function cannot come to depend on it. See
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func environment(config Config, address string) []string {
	folder, err := filepath.Abs(filepath.Dir(config.Bootstrap))
	if err != nil {
		folder = filepath.Dir(config.Bootstrap)
	}

	variables := map[string]string{
		"AWS_DEFAULT_REGION":              "us-east-1",
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(config.MemoryMB),
		"AWS_LAMBDA_FUNCTION_NAME":        config.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + config.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"AWS_LAMBDA_RUNTIME_API":          address,
		"AWS_REGION":                      "us-east-1",
		"HOME":                            os.TempDir(),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                folder,
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ":                              ":UTC",
		"_HANDLER":                        "bootstrap",
	}
	maps.Copy(variables, config.Environment)

	list := make([]string, 0, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		list = append(list, name+"="+variables[name])
	}

	return list
}
