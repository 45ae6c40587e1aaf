package docs_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// Prices of us-east-1 in US dollars, as the page's sources say them.
const (
	priceInvocations = 0.20         // of Lambda, a million
	priceTime        = 0.0000133334 // of Lambda on arm64, a GB-second
	priceReads       = 0.125        // of DynamoDB on demand, a million of up to 4 KB, strongly consistent
	priceWrites      = 0.625        // likewise, of up to 1 KB
	priceLogs        = 0.50         // of CloudWatch Logs, a GB

	// fixed is what a month costs without a call: two KMS keys, 15 metrics at 0.30, and the alarms
	fixed = 2 + 15*0.30 + 5
)

// What was measured and counted, and where.
const (
	// processor is the processor time of a call in ms, by `make bench` on x86-64: docs/performance.md
	processor = 0.7
	// trip is how long an instance waits for DynamoDB, in ms: not measured, as nothing ran on AWS.
	trip = 4
	// wholeProcessor is the memory in MB that comes with one.
	wholeProcessor = 1769
	// accessLog is what API Gateway writes of a million calls, in GB (the template's format).
	accessLog = 0.63
)

// shape is how keys are called, by what is asked of DynamoDB for each call.
type shape struct {
	name string
	// reads of the key: of each call in strict, and else the part that memory or a cache leaves
	fast, cached float64
	settings     float64 // reads of what instances keep for five seconds
	usage        float64 // writes: TestWritesPerCountedCall
	accessLog    float64 // writes in the profile cached: pkg/accesslog
	limits       float64 // writes of a key with a limit: TestWritesPerCall, at 50 instances
}

func shapes() []shape {
	return []shape{
		// of 100 a second at one instance; in cached each path and address once a second
		{"few hot keys", 1.0 / 500, 1.0 / 300, 2.0 / 500, 0.056, 0.18, 0.14},
		// ten keys share these; each path and address every ten seconds
		{"tens of keys", 1.0 / 50, 1.0 / 30, 2.0 / 500, 0.374, 0.3, 1},
		// nothing is kept for so long but by API Gateway; each has an organization of its own
		{"many cold keys", 1, 1.0 / 5, 1, 3.212, 6, 1},
	}
}

// costs are the parts of the price of a million calls.
type costs struct{ invocations, time, reads, writes, logs float64 }

func (c costs) sum() float64 { return c.invocations + c.time + c.reads + c.writes + c.logs }

// cost returns the price of a million calls.
func cost(profile string, s shape, memory float64, limited bool) costs {
	invoked, reads, writes := 1.0, 1.0, s.usage

	switch profile {
	case "fast":
		reads = s.fast
	case "cached":
		invoked, reads, writes = s.cached, s.cached, 0
	}

	waits := reads / invoked // trips before the answer, for each invocation

	if limited {
		writes += s.limits
		waits += s.limits
	}

	// what is counted is written after the answer, three rows at once, and billed as well
	ms := math.Ceil(processor*max(1, wholeProcessor/memory) + trip*(waits+s.usage/3))
	if profile == "cached" {
		ms = math.Ceil(processor*max(1, wholeProcessor/memory) + trip*waits)
	}

	c := costs{
		invocations: priceInvocations * invoked,
		time:        priceTime * invoked * 1e6 * ms / 1000 * memory / 1024,
		reads:       priceReads * (reads + s.settings*invoked),
		writes:      priceWrites * writes,
	}
	if profile == "cached" {
		c.logs = priceLogs * accessLog
		c.writes = priceWrites * s.accessLog
	}

	return c
}

// monthly is the price of a product's month by the calls in it; negative if it lists none, not a
// number if that is not known.
func monthly(product string, millions float64) float64 {
	tiers := func(steps ...[2]float64) (sum float64) {
		left := millions
		for _, s := range steps {
			part := min(left, s[0])
			sum += part * s[1]
			left -= part
		}

		return sum
	}
	rest := tiers([2]float64{333, 3.50}, [2]float64{667, 2.80}, [2]float64{19_000, 2.38},
		[2]float64{math.Inf(1), 1.51})

	switch product {
	case "API Gateway's REST API alone":
		return rest
	case "Bitting":
		return fixed + millions*cost("strict", shapes()[1], 256, false).sum()
	case "Bitting, fast":
		return fixed + millions*cost("fast", shapes()[1], 256, false).sum()
	case "usage-plan keys":
		return 0
	case "Unkey":
		// only these tiers of its catalogue are known
		for _, tier := range [][2]float64{{1, 75}, {100, 1000}, {400, 2250}} {
			if millions == tier[0] {
				return tier[1]
			}
		}

		if millions < 400 {
			return math.NaN()
		}
	case "Kong Konnect Plus":
		if millions <= 10 {
			return 25 + 200*max(0, millions-1)
		}
	case "Zuplo Builder":
		if millions <= 1 {
			return 25 + 1000*max(0, millions-0.1)
		}
	}

	return -1
}

func dollars(x float64) string {
	switch {
	case math.IsNaN(x):
		return "not known"
	case x < 0:
		return "no list price"
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	default:
		text := fmt.Sprintf("%.0f", x)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}

		return text
	}
}

// head begins a table.
func head(out *strings.Builder, columns ...string) {
	out.WriteString("| " + strings.Join(columns, " | ") + " |\n")
	out.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
}

// priceTables are the tables of the page, by what they begin with.
func priceTables() []string {
	var parts, memories, months strings.Builder

	head(&parts, "profile, keys", "invocations", "time", "reads", "writes", "logs", "**sum**", "with limits")
	head(&memories, "profile, keys", "128 MB", "256 MB", "512 MB", "1,024 MB", "1,769 MB")

	for _, profile := range []string{"strict", "fast", "cached"} {
		for _, s := range shapes() {
			c := cost(profile, s, 256, false)

			limited := "cannot have any"
			if profile != "cached" {
				limited = fmt.Sprintf("%.2f", cost(profile, s, 256, true).sum())
			}

			fmt.Fprintf(&parts, "| `%s`, %s | %.3f | %.3f | %.3f | %.3f | %.3f | **%.2f** | %s |\n", profile,
				s.name, c.invocations, c.time, c.reads, c.writes, c.logs, c.sum(), limited)

			if profile != "cached" {
				fmt.Fprintf(&memories, "| `%s`, %s |", profile, s.name)

				for _, memory := range []float64{128, 256, 512, 1024, 1769} {
					fmt.Fprintf(&memories, " %.2f |", cost(profile, s, memory, false).sum())
				}

				memories.WriteString("\n")
			}
		}
	}

	millions := []float64{1, 10, 100, 1000, 10_000}

	head(&months, "calls a month", "1 million", "10 million", "100 million", "1 billion", "10 billion")

	for _, product := range []string{
		"Bitting", "Bitting, fast", "usage-plan keys", "API Gateway's REST API alone", "Unkey",
		"Kong Konnect Plus", "Zuplo Builder",
	} {
		fmt.Fprintf(&months, "| %s |", product)

		for _, m := range millions {
			fmt.Fprintf(&months, " %s |", dollars(monthly(product, m)))
		}

		months.WriteString("\n")
	}

	return []string{parts.String(), memories.String(), months.String()}
}

// scaleTable is what a month costs by calls a second, all the time, of tens of keys at an instance.
func scaleTable() string {
	var out strings.Builder

	head(&out, "calls a second", "calls a month", "`strict`", "`fast`", "`cached`", "REST API", "HTTP API")

	for _, rate := range []float64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000} {
		millions := rate * 3600 * 730 / 1e6
		text := dollars(rate)
		fmt.Fprintf(&out, "| %s | %s million |", text[:len(text)-decimals(rate)], dollars(millions))

		for _, profile := range []string{"strict", "fast", "cached"} {
			fmt.Fprintf(&out, " %s |", dollars(fixed+millions*cost(profile, shapes()[1], 256, false).sum()))
		}

		fmt.Fprintf(&out, " %s | %s |\n", dollars(monthly("API Gateway's REST API alone", millions)),
			dollars(min(millions, 300)+0.9*max(0, millions-300)))
	}

	return out.String()
}

// decimals is how many characters dollars adds to a small whole number.
func decimals(x float64) int {
	if x < 10 {
		return len(".00")
	}

	return 0
}

// The table of another page is by the same prices.
func TestScaleCostsAreTheirSum(t *testing.T) {
	t.Parallel()

	if table := scaleTable(); !strings.Contains(read(t, "docs/scale.md"), table) {
		t.Errorf("scale.md does not have the table\n%s", table)
	}
}

// The tables of the page are what its prices and counts come to.
func TestCostsAreTheirSum(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/cost.md")

	for _, table := range priceTables() {
		if !strings.Contains(page, table) {
			t.Errorf("cost.md does not have the table\n%s", table)
		}
	}

	for _, price := range []string{
		fmt.Sprintf("| Lambda, a million invocations | %.2f |", priceInvocations),
		fmt.Sprintf("| Lambda, a GB-second on arm64 | %.10f |", priceTime),
		fmt.Sprintf("a million strongly consistent reads of up to 4 KB | %.3f |", priceReads),
		fmt.Sprintf("| DynamoDB on demand, a million writes of up to 1 KB | %.3f |", priceWrites),
		fmt.Sprintf("| CloudWatch Logs, a GB | %.2f |", priceLogs),
	} {
		if !strings.Contains(page, price) {
			t.Errorf("cost.md does not have the row %q", price)
		}
	}
}
