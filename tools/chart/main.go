// Renders a Helm chart's templates with Go's own template engine and the few functions that our
// chart uses, so that the chart is tested where no helm binary is.
//
//	go run ./tools/chart CHART NAME NAMESPACE < values.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/template"
)

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: chart CHART NAME NAMESPACE < values.json"))
	}
	var values map[string]any
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber() // helm, too, keeps whole numbers whole
	if err := decoder.Decode(&values); err != nil {
		fail(err)
	}
	data := map[string]any{
		"Values":  values,
		"Release": map[string]any{"Name": os.Args[2], "Namespace": os.Args[3]},
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "templates", "*"))
	if err != nil || len(files) == 0 {
		fail(fmt.Errorf("no templates: %v", err))
	}
	sort.Strings(files)
	all := template.New("chart").Option("missingkey=error")
	all.Funcs(functions(all))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			fail(err)
		}
		if _, err := all.New(filepath.Base(file)).Parse(string(text)); err != nil {
			fail(err)
		}
	}
	for _, file := range files {
		if !strings.HasSuffix(file, ".yaml") {
			continue
		}
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, filepath.Base(file), data); err != nil {
			fail(err)
		}
		fmt.Printf("---\n%s\n", strings.TrimSpace(out.String()))
	}
}

func functions(all *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out bytes.Buffer
			err := all.ExecuteTemplate(&out, name, data)
			return strings.TrimSpace(out.String()), err
		},
		"nindent": func(width int, text string) string {
			pad := strings.Repeat(" ", width)
			return "\n" + pad + strings.ReplaceAll(text, "\n", "\n"+pad)
		},
		"quote":      func(value any) string { return strconv.Quote(fmt.Sprint(value)) },
		"trunc":      func(size int, text string) string { return text[:min(size, len(text))] },
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		// JSON is YAML.
		"toYaml": func(value any) (string, error) {
			text, err := json.Marshal(value)
			return string(text), err
		},
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
