// CIFAR-10's binary files (https://www.cs.toronto.edu/~kriz/cifar.html): records of 3073 bytes, a label and the red,
// green and blue plane of a 32x32 image.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace bsg::data {

inline constexpr int kCifarSide = 32;
inline constexpr std::int64_t kCifarRecordBytes = 1 + 3 * kCifarSide * kCifarSide;
// Names of the label's values in the official set.
const std::vector<std::string>& cifar10_classes();

// Throws DataError, naming the file and the record, for a file that is empty or ends inside a record and for a label
// that is not below `classes`.
std::vector<Example> parse_cifar10(std::span<const std::byte> bytes, std::int64_t classes,
                                   const std::string& name_for_errors);

// The folder with data_batch_1.bin .. data_batch_5.bin and test_batch.bin in it.
//
// batches.meta.txt, where it exists, names the classes, one a line. batches.counts.txt, which `bsg_data import` writes
// and the official set has not, says how many records each file has ("data_batch_1.bin 10000", one a line). Without it
// every training file must have the same number of records, at most 10,000, and where it is 10,000, so must the test
// file: a file that was cut off or continued is found also at the boundary of a record.
std::shared_ptr<const Dataset> open_cifar10(const std::string& folder, Split split, std::int64_t limit = 0);

}  // namespace bsg::data
