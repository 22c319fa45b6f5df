"""Message classes from descriptor sets: a package called "grpc" cannot be
imported as generated Python beside the library of that name."""
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def pool_of(files):
    """A pool of FileDescriptorProtos, each added after what it imports."""
    pool, left = descriptor_pool.DescriptorPool(), list(files)
    while left:
        for file in left:
            try:
                pool.Add(file)
            except (TypeError, KeyError):
                continue
            left.remove(file)
            break
        else:
            raise RuntimeError("imports are missing")
    return pool


def read_pool(path):
    with open(path, "rb") as file:
        return pool_of(descriptor_pb2.FileDescriptorSet.FromString(file.read()).file)


def message_class(pool, name):
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))
