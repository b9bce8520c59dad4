package main

import (
	"encoding/json"
	"fmt"

	"github.com/halfopen/halfopen/harness/buildinfo"
	"github.com/halfopen/halfopen/harness/claim"
	"github.com/halfopen/halfopen/harness/stage"
)

type versionCommand struct {
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run prints what this program is; nothing is run.
func (c *versionCommand) Run() error {
	info, err := buildinfo.Read("/proc/self/exe")
	if err != nil {
		return err
	}
	catalogue, err := claim.Load()
	if err != nil {
		return err
	}
	claims, stories, specs := len(catalogue.Claims()), len(catalogue.Stories()), len(stage.Specs())
	if c.JSON {
		encoded, err := json.MarshalIndent(map[string]any{
			"halfopen": info.Version, "revision": info.Revision, "modified": info.Modified, "go": info.Go, "platform": info.Platform,
			"static": info.Static, "claims": claims, "stories": stories, "specs": specs,
		}, "", "  ")
		fmt.Println(string(encoded))
		return err
	}
	fmt.Printf("halfopen  %s\n", info.Version)
	switch {
	case info.Revision == "":
		fmt.Println("revision  not recorded: it was built outside of a repository, by go run, or with -buildvcs=false")
	case info.Modified:
		fmt.Printf("revision  %s, with changes that are not committed\n", info.Revision)
	default:
		fmt.Printf("revision  %s\n", info.Revision)
	}
	fmt.Printf("built by  %s for %s, %s\n", info.Go, info.Platform, linking(info.Static))
	fmt.Printf("claims    %d in %d stories, proved by %d specs\n", claims, stories, specs)
	return nil
}

func linking(static bool) string {
	if static {
		return "static"
	}
	return "not static: it needs this system's C library (build it with CGO_ENABLED=0 to copy it elsewhere)"
}
