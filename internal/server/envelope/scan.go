package envelope

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// maxDepth bounds how deep JSON from outside may nest. Python's own parser
// recurses, and so do the libraries agents hand their input to.
const maxDepth = 200

// tameDigits is how many digits an integer of 64 bits may have, whichever they are.
const tameDigits = 18

// scanner walks over JSON text without building values. It accepts what
// RFC 8259 accepts and nothing else: text of valid UTF-8, nested at most
// maxDepth deep. Its methods take the position to start from and return the
// position after what they read.
type scanner struct {
	text []byte
	// wide is not 0 when a string may hold bytes beyond ASCII. Only then is
	// there a need to look whether the text is valid UTF-8: outside of strings
	// the grammar has no such bytes.
	wide uint64
	// wild is set by a number that JSON libraries may read in different ways:
	// one with an exponent, or with more than tameDigits before its point.
	wild bool
	// deep is set when the text was refused for its depth alone.
	deep bool
}

// span is a part of the text: text[from:to]. The zero span means absent.
type span struct{ from, to int }

func (p span) of(text []byte) json.RawMessage {
	if p.to == 0 {
		return nil
	}
	return json.RawMessage(text[p.from:p.to:p.to])
}

// valid reports whether the whole text is one JSON value.
func (s *scanner) valid() bool {
	end, ok := s.value(s.space(0), 0)
	return ok && s.space(end) == len(s.text) && (s.wide == 0 || utf8.Valid(s.text))
}

// object walks the members of the object that is the whole text, in order,
// and hands each key (still escaped, without quotes) and value to member. It
// returns false where the text is wrong, and how far it came.
func (s *scanner) object(member func(key []byte, value span)) (at int, ok bool) {
	i := s.space(0)
	if !s.at(i, '{') {
		return i, false
	}
	end, ok := s.members(i+1, 0, member)
	if !ok {
		return end, false
	}
	end = s.space(end)
	return end, end == len(s.text)
}

// space skips white space.
func (s *scanner) space(i int) int {
	for i < len(s.text) {
		switch s.text[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// value reads one value that stands inside depth containers.
func (s *scanner) value(i, depth int) (int, bool) {
	if i >= len(s.text) {
		return i, false
	}
	switch c := s.text[i]; {
	case c == '"':
		return s.str(i + 1)
	case c == '{':
		return s.members(i+1, depth, nil)
	case c == '[':
		return s.items(i+1, depth)
	case c == '-' || '0' <= c && c <= '9':
		return s.number(i)
	case c == 't':
		return s.literal(i, "true")
	case c == 'f':
		return s.literal(i, "false")
	case c == 'n':
		return s.literal(i, "null")
	}
	return i, false
}

// members reads an object whose brace has been read. visit may be nil.
func (s *scanner) members(i, depth int, visit func(key []byte, value span)) (int, bool) {
	if depth++; depth > maxDepth {
		s.deep = true
		return i, false
	}
	i = s.space(i)
	if i < len(s.text) && s.text[i] == '}' {
		return i + 1, true
	}
	for i < len(s.text) && s.text[i] == '"' {
		key := i + 1
		end, ok := s.str(key)
		if !ok {
			return end, false
		}
		if i = s.space(end); i >= len(s.text) || s.text[i] != ':' {
			return i, false
		}
		from := s.space(i + 1)
		to, ok := s.value(from, depth)
		if !ok {
			return to, false
		}
		if visit != nil {
			visit(s.text[key:end-1], span{from, to})
		}
		if i = s.space(to); i >= len(s.text) {
			return i, false
		}
		if s.text[i] == '}' {
			return i + 1, true
		}
		if s.text[i] != ',' {
			return i, false
		}
		i = s.space(i + 1)
	}
	return i, false
}

// items reads a list whose bracket has been read.
func (s *scanner) items(i, depth int) (int, bool) {
	if depth++; depth > maxDepth {
		s.deep = true
		return i, false
	}
	i = s.space(i)
	if i < len(s.text) && s.text[i] == ']' {
		return i + 1, true
	}
	for {
		end, ok := s.value(i, depth)
		if !ok {
			return end, false
		}
		if i = s.space(end); i >= len(s.text) {
			return i, false
		}
		if s.text[i] == ']' {
			return i + 1, true
		}
		if s.text[i] != ',' {
			return i, false
		}
		i = s.space(i + 1)
	}
}

// str reads a string whose opening quote has been read.
func (s *scanner) str(i int) (int, bool) {
	for {
		end, wide := plain(s.text, i)
		s.wide |= wide
		i = end
		if i >= len(s.text) {
			return i, false
		}
		switch s.text[i] {
		case '"':
			return i + 1, true
		case '\\':
			end, ok := s.escape(i + 1)
			if !ok {
				return end, false
			}
			i = end
		default: // a control character
			return i, false
		}
	}
}

// Words of eight equal bytes.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// Plain returns how much of text comes before the next quote, backslash or
// control character: what goes into a JSON string as it is.
func Plain(text []byte) int {
	end, _ := plain(text, 0)
	return end
}

// plain skips what needs no look inside a string: it returns the place of the
// next quote, backslash or control character, or the text's end. It takes many
// bytes at a time, since payloads are mostly text. wide is not 0 if there may be
// bytes beyond ASCII among them.
func plain(text []byte, i int) (end int, wide uint64) {
	if len(text)-i >= 8 { // most strings are short
		w := binary.LittleEndian.Uint64(text[i:])
		wide = w & highs
		if found := special(w); found != 0 {
			return i + bits.TrailingZeros64(found)/8, wide
		}
		i += 8
	}
	for ; len(text)-i >= 32; i += 32 {
		block := text[i : i+32 : i+32]
		a, b := binary.LittleEndian.Uint64(block), binary.LittleEndian.Uint64(block[8:])
		c, d := binary.LittleEndian.Uint64(block[16:]), binary.LittleEndian.Uint64(block[24:])
		if special(a)|special(b)|special(c)|special(d) != 0 {
			break
		}
		wide |= (a | b | c | d) & highs
	}
	for ; len(text)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		wide |= w & highs
		if found := special(w); found != 0 {
			return i + bits.TrailingZeros64(found)/8, wide
		}
	}
	for ; i < len(text); i++ {
		c := text[i]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		wide |= uint64(c & 0x80)
	}
	return i, wide
}

// special sets the high bit of each byte of w that is a quote, a backslash or a
// control character. Bits above the lowest one set may be wrong.
func special(w uint64) uint64 {
	// Flipping bit 1 makes the quote a space and moves no other byte below '!'.
	low, slash := (w^ones*2)-ones*'!', (w^ones*'\\')-ones
	return (low | slash) &^ w & highs
}

// escape reads what follows a backslash.
func (s *scanner) escape(i int) (int, bool) {
	if i >= len(s.text) {
		return i, false
	}
	switch s.text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, true
	case 'u':
		if i+5 > len(s.text) {
			return len(s.text), false
		}
		for _, c := range s.text[i+1 : i+5] {
			if !hexDigit(c) {
				return i, false
			}
		}
		return i + 5, true
	}
	return i, false
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// number reads a number: -?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?
func (s *scanner) number(i int) (int, bool) {
	if s.at(i, '-') {
		i++
	}
	if s.at(i, '0') {
		i++
	} else if end := s.digits(i); end > i {
		s.wild = s.wild || end-i > tameDigits
		i = end
	} else {
		return i, false
	}
	if s.at(i, '.') {
		end := s.digits(i + 1)
		if end == i+1 {
			return end, false
		}
		i = end
	}
	if s.at(i, 'e') || s.at(i, 'E') {
		s.wild = true
		i++
		if s.at(i, '+') || s.at(i, '-') {
			i++
		}
		end := s.digits(i)
		if end == i {
			return end, false
		}
		i = end
	}
	return i, true
}

func (s *scanner) at(i int, c byte) bool { return i < len(s.text) && s.text[i] == c }

func (s *scanner) digits(i int) int {
	for i < len(s.text) && '0' <= s.text[i] && s.text[i] <= '9' {
		i++
	}
	return i
}

func (s *scanner) literal(i int, word string) (int, bool) {
	if len(s.text)-i < len(word) || string(s.text[i:i+len(word)]) != word {
		return i, false
	}
	return i + len(word), true
}
