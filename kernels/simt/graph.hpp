// Work of a stream, recorded once to be started again and again by one call: a CUDA graph. Recorded are launches,
// copy_on_device and clear, with their arguments as they are: the memory that they name must stay where it is.
//
// Errors: RuntimeError; in the emulator EmulationError.
#pragma once

namespace bsg::simt {

// From here to end_capture, what the calling thread queues on `stream` (not the default one) is recorded and not done.
// Meanwhile the thread must not allocate, nor wait for the device, nor copy from or to the host: the emulator throws at
// once, a GPU's end_capture at the latest.
void begin_capture(void* stream);
// Ends it, also when it throws. Returns what was recorded.
void* end_capture(void* stream);

// Queues all of it on any stream, after what is queued there.
void launch_graph(void* graph, void* stream);
// Lets work that was queued before finish. Takes null too; throws nothing.
void destroy_graph(void* graph);

}  // namespace bsg::simt
