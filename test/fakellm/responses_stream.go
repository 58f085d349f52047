package fakellm

// events returns the typed events of a streamed response, numbered.
func (a response) events() []object {
	var events []object
	add := func(kind string, fields object) {
		fields["type"], fields["sequence_number"] = kind, len(events)
		events = append(events, fields)
	}
	add("response.created", object{"response": a.object("in_progress", []object{})})
	add("response.in_progress", object{"response": a.object("in_progress", []object{})})
	if len(a.said.calls) == 0 {
		a.addMessage(add)
	}
	for i := range a.said.calls {
		a.addCall(add, i)
	}
	add("response.completed", object{"response": a.object("completed", a.output())})
	return events
}

func (a response) addMessage(add func(string, object)) {
	id := a.request.id("msg_")
	at := func(fields object) object {
		fields["item_id"], fields["output_index"], fields["content_index"] = id, 0, 0
		return fields
	}
	add("response.output_item.added", object{"output_index": 0, "item": a.message("in_progress")})
	add("response.content_part.added", at(object{"part": textPart("")}))
	for _, piece := range pieces(a.said.text) {
		add("response.output_text.delta", at(object{"delta": piece, "logprobs": []any{}}))
	}
	add("response.output_text.done", at(object{"text": a.said.text, "logprobs": []any{}}))
	add("response.content_part.done", at(object{"part": a.part()}))
	add("response.output_item.done", object{"output_index": 0, "item": a.message("completed", a.part())})
}

func (a response) addCall(add func(string, object), index int) {
	arguments := a.said.calls[index].arguments
	item := a.call(index, "in_progress", "")
	id := item["id"]
	add("response.output_item.added", object{"output_index": index, "item": item})
	for _, part := range fragments(arguments) {
		add("response.function_call_arguments.delta", object{"item_id": id, "output_index": index, "delta": part})
	}
	add("response.function_call_arguments.done", object{
		"item_id": id, "output_index": index, "name": a.said.calls[index].name, "arguments": arguments,
	})
	add("response.output_item.done", object{"output_index": index, "item": a.call(index, "completed", arguments)})
}
