package agent

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	sizeForm     = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$`)
	durationPart = regexp.MustCompile(`(\d+(?:\.\d+)?)(ms|s|m|h|d)`)
)

// ParseSize reads a number of bytes: "512MB", "1GiB", "1.5g", "1048576".
// Letters alone and those with B count in thousands, those with iB in 1024s.
func ParseSize(text string) (int64, error) {
	m := sizeForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, fmt.Errorf("%q is not a size such as \"512MB\"", text)
	}
	unit, err := sizeUnit(strings.ToLower(m[2]))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: %w", text, err)
	}
	if bytes := math.Round(n * unit); bytes >= 1 && bytes < math.MaxInt64 {
		return int64(bytes), nil
	}
	return 0, fmt.Errorf("%q is out of range", text)
}

func sizeUnit(unit string) (float64, error) {
	unit = strings.TrimSuffix(unit, "b")
	base := 1000.0
	if strings.HasSuffix(unit, "i") {
		base = 1024
		unit = strings.TrimSuffix(unit, "i")
	}
	power := strings.Index("kmgt", unit)
	switch {
	case unit == "" && base == 1000:
		return 1, nil
	case len(unit) != 1 || power < 0:
		return 0, fmt.Errorf("%q is not a unit of size", unit)
	}
	return math.Pow(base, float64(power+1)), nil
}

// ParseDuration reads a time: "300s", "1m30s", "500ms", "2h", "1d", or a plain
// number of seconds.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return seconds(n)
	}
	if text == "" || durationPart.ReplaceAllString(text, "") != "" {
		return 0, fmt.Errorf("%q is not a time such as \"300s\"", text)
	}
	total := 0.0
	for _, m := range durationPart.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time: %w", text, err)
		}
		total += n * unitSeconds(m[2])
	}
	return seconds(total)
}

func unitSeconds(unit string) float64 {
	switch unit {
	case "ms":
		return 0.001
	case "m":
		return 60
	case "h":
		return 3600
	case "d":
		return 86400
	}
	return 1
}

// longestDuration is a year: enough for every limit here, far from overflow.
const longestDuration = 365 * 24 * time.Hour

func seconds(n float64) (time.Duration, error) {
	if !(n > 0) || n > longestDuration.Seconds() {
		return 0, fmt.Errorf("a time must be more than 0 and at most %s", "365d")
	}
	return max(time.Duration(math.Round(n*float64(time.Second))), 1), nil
}

// parseCPU reads a number of processors: "0.5", "2", "500m".
func parseCPU(text string) (float64, error) {
	text = strings.TrimSpace(text)
	scale := 1.0
	if milli, ok := strings.CutSuffix(text, "m"); ok {
		text, scale = milli, 0.001
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) || n > 1e6 {
		return 0, fmt.Errorf("%q is not a number of processors such as \"0.5\"", text)
	}
	return n * scale, nil
}
