package fakellm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
)

// defaultDimensions and maxDimensions bound an embedding's length.
const (
	defaultDimensions = 64
	maxDimensions     = 4096
)

// embeddingsRequest is what POST /v1/embeddings reads of its body.
type embeddingsRequest struct {
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
	Dimensions     int             `json:"dimensions"`
}

func (s *Server) embeddings(w http.ResponseWriter, r *request) error {
	in := embeddingsRequest{Dimensions: defaultDimensions}
	if err := r.decode(&in); err != nil {
		return err
	}
	if in.Dimensions < 1 || in.Dimensions > maxDimensions {
		return newAPIError(http.StatusBadRequest, "dimensions must be from 1 to %d", maxDimensions).with("dimensions", "")
	}
	inputs, err := embeddingInputs(in.Input)
	if err != nil {
		return err
	}
	list, count := []object{}, 0
	for i, input := range inputs {
		var vector any = embed(input, in.Dimensions)
		if in.EncodingFormat == "base64" {
			vector = packed(embed(input, in.Dimensions))
		}
		list = append(list, object{"object": "embedding", "index": i, "embedding": vector})
		count += tokens(input)
	}
	return r.reply(w, object{
		"object": "list", "data": list, "model": r.model,
		"usage": object{"prompt_tokens": count, "total_tokens": count},
	})
}

// embeddingInputs reads input: a text, texts, a list of token numbers, or
// lists of them. Numbers are embedded as their JSON.
func embeddingInputs(raw json.RawMessage) ([]string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []string{text}, nil
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		return texts, nil
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) == nil {
		return []string{string(raw)}, nil
	}
	var lists []json.RawMessage
	if json.Unmarshal(raw, &lists) != nil || len(lists) == 0 {
		return nil, newAPIError(http.StatusBadRequest, "'$.input' is invalid.").with("input", "")
	}
	texts = nil
	for _, list := range lists {
		texts = append(texts, string(list))
	}
	return texts, nil
}

// embed returns a vector of length 1 that depends on the text alone.
func embed(text string, dimensions int) []float32 {
	source := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(text))))
	vector, sum := make([]float32, dimensions), 0.0
	for i := range vector {
		value := source.NormFloat64()
		vector[i] = float32(value)
		sum += value * value
	}
	norm := float32(math.Sqrt(sum))
	for i := range vector {
		vector[i] /= norm
	}
	return vector
}

// packed is the vector as clients ask for it by default: little-endian, base64.
func packed(vector []float32) string {
	var out []byte
	for _, value := range vector {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(value))
	}
	return base64.StdEncoding.EncodeToString(out)
}

// known are the models that are listed; others answer all the same.
var known = []string{"fake-small", "fake-large", "fake-embedding"}

func (s *Server) models(w http.ResponseWriter, r *request) error {
	list := []object{}
	for _, id := range known {
		list = append(list, modelObject(id))
	}
	return r.reply(w, object{"object": "list", "data": list})
}

func (s *Server) model(w http.ResponseWriter, r *request) error {
	id := r.PathValue("model")
	for _, have := range known {
		if have == id {
			return r.reply(w, modelObject(id))
		}
	}
	return newAPIError(http.StatusNotFound, "The model '%s' does not exist", id).with("model", "model_not_found")
}

func modelObject(id string) object {
	return object{"id": id, "object": "model", "created": created, "owned_by": "fakellm"}
}
