from .efficientnet import efficientnet_lite as efficientnet_lite
