//go:build linux

package cgroup

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// place is the folder of this process's group in a hierarchy.
type place struct {
	dir string
	v2  bool
}

// find returns where this process is in the hierarchy of a controller of
// version 1, or with "" in that of version 2.
func find(root, controller string) (place, error) {
	what := "cgroup version 2"
	if controller != "" {
		what = "the " + controller + " controller"
	}
	own, err := ownPath(root, controller)
	if err != nil {
		return place{}, err
	}
	f, err := os.Open(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return place{}, fmt.Errorf("mounts are not known: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		v2 := controller == "" && right[0] == "cgroup2"
		v1 := controller != "" && right[0] == "cgroup" && slices.Contains(strings.Split(right[2], ","), controller)
		if !v1 && !v2 {
			continue
		}
		// In a container the mount may begin inside the tree.
		below, err := filepath.Rel(left[3], own)
		if err != nil || strings.HasPrefix(below, "..") {
			below = own
		}
		return place{dir: filepath.Join(root, left[4], below), v2: v2}, nil
	}
	return place{}, fmt.Errorf("%s is not mounted", what)
}

// ownPath is the path of this process's group in a hierarchy.
func ownPath(root, controller string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return "", fmt.Errorf("the kernel has no cgroups: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // 4:memory:/path
		if len(parts) != 3 {
			continue
		}
		if parts[1] == controller || controller != "" && slices.Contains(strings.Split(parts[1], ","), controller) {
			return parts[2], nil
		}
	}
	if controller == "" {
		return "", fmt.Errorf("this process is in no group of cgroup version 2")
	}
	return "", fmt.Errorf("there is no %s controller", controller)
}
