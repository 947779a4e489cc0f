#include "benchmarks/bsg_bench/recorded.hpp"

#include <memory>

#include "data/loader.hpp"
#include "engine/core/error.hpp"

namespace bsg::bench {

Recorded::Recorded(Context& host, const Options& options)
    : host_(host), data_(options.data), subject_(tools::subject_of_checkpoint(host, options.checkpoint)) {}

Tensor Recorded::images(std::int64_t batch) const {
  data::OpenOptions open = subject_.open;
  open.limit = batch;
  data::Loader loader(host_, data::open_dataset(data_, data::Split::test, open),
                      std::make_shared<data::ImageTransform>(subject_.transform), {.batch = batch});
  data::Batch loaded;
  loader.start(0);
  if (loader.examples() < batch || !loader.next(loaded))
    throw_error<DataError>("{}: holds {} test images, a batch of {} was asked for", data_, loader.examples(), batch);
  return loaded.images;
}

}  // namespace bsg::bench
