package {{ entity }}

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// Export writes {{ entities_words }} as CSV. Values that a spreadsheet would run are defused.
func Export(w io.Writer, list []{{ Entity }}) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"id"{% for f in fields %}, "{{ f.name }}"{% endfor %}}); err != nil {
		return err
	}
	for _, one := range list {
		values := []any{one.ID{% for f in fields %}, one.{{ f.pascal }}{% endfor %}}
		line := make([]string, len(values))
		for i, value := range values {
			text := fmt.Sprint(value)
			if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "@") {
				text = "'" + text
			}
			line[i] = text
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
